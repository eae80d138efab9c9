"""The Python client against an API server, with real keys and RBAC."""

from typing import Any
from uuid import uuid4

import pytest

from stargate_api import (
    Client,
    Conflict,
    InvalidConfig,
    NotAuthorised,
    NotFound,
    Refused,
    Timeout,
    Unreachable,
)
from stargate_lab.cluster.control_plane import ControlPlane
from tests.kit.blocks import CAPACITY
from tests.kit.blocks import PATH as BLOCKS
from tests.kit.people import People, Person
from tests.kit.story import eventually
from tests.kit.training_config import config


@pytest.fixture
def client(researcher: Person) -> Any:
    with researcher.client() as client:
        yield client


def test_submitted_job_is_pending_without_progress(client: Client, namespace: str) -> None:
    job_id = client.submit_training_job(config())

    assert job_id.startswith(f"{namespace}/stargate-materia-v3-")
    status = client.get_job_status(job_id)
    assert status["state"] == "Pending"
    assert status.get("progress") is None
    assert [job.job_id for job in client.list_jobs()] == [job_id]


def test_repeated_request_id_creates_one_job(client: Client) -> None:
    first = client.submit_training_job(config(), request_id="sweep/7: lr=3e-4")
    assert client.submit_training_job(config(), request_id="sweep/7: lr=3e-4") == first
    client.suspend(first)
    assert client.submit_training_job(config(), request_id="sweep/7: lr=3e-4") == first
    with pytest.raises(Conflict, match="with another config"):
        client.submit_training_job(config(epochs=7), request_id="sweep/7: lr=3e-4")
    assert len(client.list_jobs()) == 1


def test_server_s_refusal_names_field_and_reason(client: Client) -> None:
    with pytest.raises(Refused, match=r"checkpointIntervalEpochs must be at most spec.epochs") as e:
        client.submit_training_job(config(epochs=2))
    assert e.value.field == "spec.checkpointIntervalEpochs"
    assert client.list_jobs() == []


def test_manifest_is_submitted_once_under_its_name(client: Client, namespace: str) -> None:
    spec = {"modelName": "m", **{"datasetPath": "s3://b/d", "epochs": 9, "acceleratorType": "a"}}
    allocation = {"nodes": 1, "gpuEquivalentsPerNode": 1, "memoryGbPerNode": 1}
    spec |= {"resourceAllocation": allocation, "optimizationStrategy": "adam"}
    spec |= {"checkpointIntervalEpochs": 1}
    meta = {"name": "mine", "labels": {"team": "vision"}}
    manifest = {
        "apiVersion": "stargate.dev/v1alpha1",
        "kind": "StargateJob",
        "metadata": meta,
        "spec": spec,
    }
    assert client.submit_manifest(manifest) == f"{namespace}/mine"
    assert client.get_job_status("mine").manifest["metadata"]["labels"]["team"] == "vision"
    with pytest.raises(Conflict, match="exists already"):
        client.submit_manifest(manifest)


def test_cancelled_job_is_gone(client: Client) -> None:
    job_id = client.submit_training_job(config())
    client.cancel(job_id)
    eventually(lambda: not client.list_jobs(), "the job gone")
    with pytest.raises(NotFound, match="there is no job stargate-materia-v3-"):
        client.cancel(job_id)


def test_reader_s_submission_is_refused_with_reason(people: People, namespace: str) -> None:
    with people.reader().client() as reader:
        assert reader.list_jobs() == []
        with pytest.raises(NotAuthorised, match="may not create stargatejobs in namespace") as e:
            reader.submit_training_job(config())
        assert (e.value.verb, e.value.namespace) == ("create", namespace)
        assert e.value.user == f"system:serviceaccount:{namespace}:reader"


def test_reader_cannot_suspend_or_cancel_a_job(people: People, client: Client) -> None:
    job_id = client.submit_training_job(config())
    with people.reader().client() as reader:
        assert reader.get_job_status(job_id).state == "Pending"
        for forbidden, verb in ((reader.suspend, "patch"), (reader.cancel, "delete")):
            with pytest.raises(NotAuthorised, match=f"may not {verb} stargatejobs"):
                forbidden(job_id)


def test_key_of_one_namespace_cannot_read_another(client: Client, plane: ControlPlane) -> None:
    other = f"test-{uuid4().hex[:8]}"
    plane.api.create("/api/v1/namespaces", {"metadata": {"name": other}})
    try:
        for look in (
            lambda: client.list_jobs(other),
            lambda: client.get_job_status(f"{other}/job"),
            lambda: client.submit_training_job(config(), namespace=other),
            lambda: list(client.watch(f"{other}/job")),
        ):
            with pytest.raises(NotAuthorised, match=f"in namespace {other}"):
                look()
        with pytest.raises(NotAuthorised, match="in the whole cluster"):
            client.list_jobs(all_namespaces=True)
    finally:
        plane.api.delete(f"/api/v1/namespaces/{other}")


def test_unknown_key_is_refused(researcher: Person) -> None:
    nobody = Person(researcher.plane, researcher.namespace, "of-nobody")
    with nobody.client() as client, pytest.raises(NotAuthorised, match="does not know this key"):
        client.list_jobs()


def test_untrusted_server_never_receives_the_key(researcher: Person) -> None:
    endpoint = researcher.environment["STARGATE_ENDPOINT"]
    distrusted = pytest.raises(Unreachable, match=r"is not trusted .*: give the cluster's CA")
    with Client(researcher.key, endpoint=endpoint) as client, distrusted:
        client.list_jobs()


def test_kubeconfig_user_needs_no_key(plane: ControlPlane, namespace: str) -> None:
    with Client(kubeconfig=str(plane.kubeconfig), namespace=namespace) as admin:
        assert admin.list_jobs() == []
        assert admin.server_version().startswith("v1.")


def test_unknown_key_is_refused_despite_kubeconfig_user(plane: ControlPlane) -> None:
    unknown = pytest.raises(NotAuthorised, match="does not know this key")
    with Client("of-nobody", kubeconfig=str(plane.kubeconfig)) as client, unknown:
        client.list_jobs()


def test_researcher_may_query_free_compute(client: Client, plane: ControlPlane) -> None:
    """Another tool counts the block and writes its status."""
    name = f"block-{uuid4().hex[:6]}"
    plane.api.create(
        BLOCKS,
        {
            "apiVersion": "stargate.dev/v1alpha1",
            "kind": "ComputeBlock",
            "metadata": {"name": name},
            "spec": {"maxLatencyMs": 3, "bandwidthGbps": 400, "pue": 1.1},
        },
    )
    try:
        assert name not in [block.name for block in client.query_available_compute(min_nodes=1)]
        path = f"{BLOCKS}/{name}/status"
        plane.api.patch(path, {"status": {"accelerators": [CAPACITY]}})
        (found,) = client.query_available_compute(100, 5, accelerator_type="v2-of-this-test")
        assert found["name"] == name
        assert (found.free_nodes, found.latency_ms, found.pue) == (120, 3, 1.1)
        assert found.nodes_with(free_devices=4) == 150
        assert client.query_available_compute(121, 5, accelerator_type="v2-of-this-test") == []
        assert client.query_available_compute(100, 2, accelerator_type="v2-of-this-test") == []
    finally:
        plane.api.delete(f"{BLOCKS}/{name}")


def test_logs_without_workers_raise_an_explanation(client: Client) -> None:
    job_id = client.submit_training_job(config())
    with pytest.raises(NotFound, match="is Pending, in attempt 0"):
        list(client.logs(job_id))
    with pytest.raises(InvalidConfig, match="must be 0 to 1"):
        list(client.logs(job_id, rank=2))


def test_wait_past_its_timeout_raises_timeout(client: Client) -> None:
    job_id = client.submit_training_job(config())
    with pytest.raises(Timeout, match="is Pending after 1 s of waiting"):
        client.wait(job_id, timeout=1)
