"""The API server itself refuses bad objects, with clear messages. There is no webhook."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from kubernetes import client, config

from stargate_lab.cluster.control_plane import ControlPlane
from stargate_lab.toolchain import binaries
from stargate_types import GROUP, VERSION, crd
from stargate_types.openapi import openapi_schema
from tests.apiserver.specs import BAD_SPECS, FULL, GOOD, Bad, Json, changed

EXAMPLES = Path(__file__).parents[2] / "examples"
PLURALS = {kind.name: kind.plural for kind in crd.KINDS}
MODELS = {kind.name: kind.model for kind in crd.KINDS}
REFUSED = (400, 422)

Objects = client.CustomObjectsApi


@pytest.fixture(scope="package")
def objects(plane: ControlPlane) -> Iterator[Objects]:
    api_client = config.new_client_from_config(str(plane.kubeconfig))  # type: ignore[no-untyped-call]
    yield Objects(api_client)
    api_client.rest_client.pool_manager.clear()


def create(objects: Objects, manifest: Json, namespace: str = "default", **options: Any) -> Json:
    plural = PLURALS[manifest["kind"]]
    options = {"body": manifest, "field_validation": "Strict", **options}
    if manifest["kind"] == "StargateJob":
        created = objects.create_namespaced_custom_object(
            GROUP, VERSION, namespace, plural, **options
        )
    else:
        created = objects.create_cluster_custom_object(GROUP, VERSION, plural, **options)
    return cast("Json", created)


def change(objects: Objects, namespace: str, spec: Json) -> Json:
    """Applies a merge patch to the only job of the namespace."""
    patched = objects.patch_namespaced_custom_object(
        GROUP, VERSION, namespace, "stargatejobs", "materia", {"spec": spec}
    )
    return cast("Json", patched)


def message_of(refusal: pytest.ExceptionInfo[client.ApiException]) -> str:
    assert refusal.value.status in REFUSED, refusal.value
    message: str = yaml.safe_load(refusal.value.body or "")["message"]
    return message


@pytest.mark.parametrize("kind", GOOD)
def test_minimal_spec_of_each_kind_is_accepted(objects: Objects, kind: str) -> None:
    create(objects, GOOD[kind], dry_run="All")


def test_bad_specs_are_distinct_and_cover_every_kind() -> None:
    assert len({(bad.kind, bad.what) for bad in BAD_SPECS}) == len(BAD_SPECS) >= 60
    assert {bad.kind for bad in BAD_SPECS} == set(PLURALS)


@pytest.mark.parametrize("bad", BAD_SPECS, ids=lambda bad: f"{bad.kind}: {bad.what}")
def test_bad_spec_is_refused_by_field_and_reason(objects: Objects, bad: Bad) -> None:
    with pytest.raises(client.ApiException) as refusal:
        create(objects, bad.manifest, dry_run="All")
    message = message_of(refusal)
    assert bad.field in message
    assert bad.words in message


def test_article_s_job_is_accepted_with_defaults(objects: Objects) -> None:
    manifest = yaml.safe_load((EXAMPLES / "stargate-materia-v3.yaml").read_text())
    accepted = create(objects, manifest, dry_run="All")
    assert accepted["spec"] == {
        **manifest["spec"],
        "checkpoint": {"retain": 3},
        "restartPolicy": {"maxRestarts": 10},
        "scheduling": {"startTimeoutSeconds": 600},
        "rendezvous": {"hostnames": "Rank0"},
        "suspend": False,
    }


def test_example_catalog_is_accepted(objects: Objects) -> None:
    for manifest in yaml.safe_load_all((EXAMPLES / "catalog.yaml").read_text()):
        create(objects, manifest, dry_run="All")


@pytest.mark.parametrize("kind", FULL)
def test_every_field_is_accepted_and_read_back(objects: Objects, kind: str) -> None:
    accepted = create(objects, changed(GOOD[kind], FULL[kind]), dry_run="All")
    model = MODELS[kind]
    assert set(accepted["spec"]) == set(openapi_schema(model)["properties"]["spec"]["properties"])
    read = model.model_validate(accepted).model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert read["spec"] == as_text_of_quantities(accepted["spec"])


def as_text_of_quantities(spec: Json) -> Json:
    """Quantities may be numbers in JSON. The models read them all as strings."""
    numbers = {"cpu": "4", "extraResources": {"rdma/hca": "1", "example.com/nic": "2"}}
    worker = {name: text for name, text in numbers.items() if name in spec}
    if "template" in spec:
        worker["template"] = as_text_of_quantities(spec["template"])
    return {**spec, **worker}


IMMUTABLE: dict[str, Any] = {
    "modelName": "other",
    "datasetPath": "s3://other",
    "epochs": 101,
    "steps": 500_001,
    "acceleratorType": "other",
    "resourceAllocation": {"nodes": 5},
    "optimizationStrategy": "sgd",
    "checkpointIntervalEpochs": 6,
    "runtime": "other",
    "template": {"image": "other:1"},
    "checkpoint": {"retain": 4},
    "scheduling": {"startTimeoutSeconds": 601},
    "rendezvous": {"hostnames": "All"},
}
MUTABLE: dict[str, Any] = {
    "suspend": True,
    "activeDeadlineSeconds": 60,
    "ttlSecondsAfterFinished": 60,
    "restartPolicy": {"maxRestarts": 3},
    "hang": {"reportTimeoutSeconds": 60},
}


def test_every_spec_field_is_mutable_or_immutable() -> None:
    spec = openapi_schema(crd.JOB.model)["properties"]["spec"]["properties"]
    assert set(spec) == set(IMMUTABLE) | set(MUTABLE)


@pytest.mark.parametrize("field", IMMUTABLE)
def test_change_of_immutable_field_is_refused(objects: Objects, namespace: str, field: str) -> None:
    create(objects, GOOD["StargateJob"], namespace)
    with pytest.raises(client.ApiException) as refusal:
        change(objects, namespace, {field: IMMUTABLE[field]})
    assert f"spec.{field} is immutable" in message_of(refusal)


@pytest.mark.parametrize("field", ["runtime", "steps", "template"])
def test_removal_of_optional_immutable_field_is_refused(
    objects: Objects, namespace: str, field: str
) -> None:
    create(objects, changed(GOOD["StargateJob"], {f"spec.{field}": IMMUTABLE[field]}), namespace)
    with pytest.raises(client.ApiException) as refusal:
        change(objects, namespace, {field: None})
    assert f"spec.{field} is immutable" in message_of(refusal)


def test_mutable_fields_can_be_changed_and_removed(objects: Objects, namespace: str) -> None:
    create(objects, GOOD["StargateJob"], namespace)
    changed_spec = change(objects, namespace, MUTABLE)["spec"]
    assert {field: changed_spec[field] for field in MUTABLE} == MUTABLE
    back = change(objects, namespace, dict.fromkeys(MUTABLE))["spec"]
    assert back["restartPolicy"] == {"maxRestarts": 10}
    assert back["suspend"] is False
    assert not {"activeDeadlineSeconds", "ttlSecondsAfterFinished", "hang"} & set(back)


STATUS: Json = {
    "phase": "Running",
    "attempt": 2,
    "restarts": 1,
    "workers": {"desired": 4, "ready": 3},
    "progress": {
        "epoch": 43,
        "epochs": 100,
        "step": 430,
        "totalSteps": 1000,
        "percent": 43.0,
        "stepsPerSecond": 0.01667,
    },
    "attempts": [
        {
            "number": 2,
            "start": "2026-01-02T03:04:05.000006Z",
            "worldSize": 4,
            "restoredEpoch": 40,
            "restoredStep": 400,
        }
    ],
    "checkpoints": {
        "latest": {
            "epoch": 45,
            "uri": "s3://b/45",
            "time": "2026-01-02T03:04:05.000006Z",
            "state": "Writing",
        },
        "history": [
            {
                "epoch": 40,
                "step": 400,
                "uri": "s3://b/40",
                "time": "2026-01-02T03:04:04.000006Z",
                "state": "Complete",
            }
        ],
        "restoredFrom": {"epoch": 40, "step": 400, "uri": "s3://b/40"},
    },
}


def with_status(objects: Objects, namespace: str) -> Json:
    """Creates a job with the status of epoch 43. Returns the object as the server stored it."""
    job = create(objects, GOOD["StargateJob"], namespace)
    written = objects.replace_namespaced_custom_object_status(
        GROUP, VERSION, namespace, "stargatejobs", "materia", {**job, "status": STATUS}
    )
    return cast("Json", written)


def test_written_status_is_stored_unchanged(objects: Objects, namespace: str) -> None:
    assert with_status(objects, namespace)["status"] == STATUS


def test_jobs_are_selected_by_phase_and_accelerator(objects: Objects, namespace: str) -> None:
    with_status(objects, namespace)
    for selector in ("status.phase=Running", "spec.acceleratorType=stargate_silicon_v2"):
        found = objects.list_namespaced_custom_object(
            GROUP, VERSION, namespace, "stargatejobs", field_selector=selector
        )
        items = cast("Json", found)["items"]
        assert [job["metadata"]["name"] for job in items] == ["materia"], selector


def test_kubectl_get_shows_status_columns(
    plane: ControlPlane, objects: Objects, namespace: str
) -> None:
    with_status(objects, namespace)
    kubectl = binaries.ensure(["kubectl"])["kubectl"]
    shown = subprocess.run(
        [kubectl, "--kubeconfig", plane.kubeconfig, "-n", namespace, "get", "sj", "-o", "wide"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    names, values = (line.split() for line in shown.splitlines())
    row = dict(zip(names, values, strict=False))
    assert row.pop("AGE")
    assert row == {
        "NAME": "materia",
        "PHASE": "Running",
        "READY": "3",
        "DESIRED": "4",
        "EPOCH": "43",
        "STEP": "430",
        "PERCENT": "43",
        "CHECKPOINT": "40",
        "RESTARTS": "1",
        "ATTEMPT": "2",
        "MODEL": "materia",
        "ACCELERATOR": "stargate_silicon_v2",
    }
