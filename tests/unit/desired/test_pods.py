"""A worker pod's manifest."""

import json
from typing import Any

import pytest

from stargate_operator.desired.pods import Placement, pod_stamp, worker_pod
from stargate_operator.model.blueprint import Place
from stargate_types import AcceleratorClass, StargateRuntime
from stargate_types.pod_environment import EnvFromSource, EnvVar, ObjectReference
from stargate_types.podparts import (
    CsiSource,
    EmptyDirSource,
    InitContainer,
    Toleration,
    Volume,
    VolumeMount,
)
from stargate_types.runtime import Storage, StorageVolume
from stargate_types.worker_template import WorkerTemplate
from tests.kit.builders import (
    JOB_UID,
    TARGET,
    GivenJob,
    accelerator_class,
    blueprint,
    compute_block,
    job,
    runtime,
)
from tests.kit.kubelet_environment import expanded


def manifest(
    given: GivenJob | None = None,
    *,
    rank: int = 3,
    attempt: int = 1,
    runtime_: StargateRuntime | None = None,
    class_: AcceleratorClass | None = None,
) -> dict[str, Any]:
    given = given or job()
    made_from = blueprint(given, runtime_=runtime_, class_=class_)
    return worker_pod(given, made_from, attempt=attempt, rank=str(rank), target=TARGET)


def worker(pod: dict[str, Any]) -> dict[str, Any]:
    (container,) = pod["spec"]["containers"]
    found: dict[str, Any] = container
    return found


def named(entries: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in entries}


def test_pod_name_contains_job_attempt_and_rank() -> None:
    pod = manifest(attempt=2, rank=3)
    assert pod["metadata"]["name"] == pod["spec"]["hostname"] == "train-2-3"
    assert (pod["spec"]["subdomain"], pod["metadata"]["namespace"]) == ("train", "team-a")


@pytest.mark.parametrize("nodes", [1, 99_999])
def test_longest_pod_name_is_a_dns_label(nodes: int) -> None:
    pod = manifest(job("j" * 50, nodes=nodes), rank=99_998, attempt=99_999)
    assert len(pod["metadata"]["name"]) <= 63


def test_pod_is_owned_by_job_without_finalizer() -> None:
    meta = manifest()["metadata"]
    assert meta["ownerReferences"] == [
        {
            "apiVersion": "stargate.dev/v1alpha1",
            "kind": "StargateJob",
            "name": "train",
            "uid": JOB_UID,
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    assert "finalizers" not in meta


def test_user_labels_cannot_replace_operator_labels() -> None:
    template = WorkerTemplate(labels={"team": "x", "stargate.dev/rank": "0"})
    labels = manifest(job(template=template), rank=3)["metadata"]["labels"]
    assert labels == {
        "team": "x",
        "stargate.dev/job-name": "train",
        "stargate.dev/job-uid": JOB_UID,
        "stargate.dev/attempt": "1",
        "stargate.dev/rank": "3",
    }


def test_limits_equal_requests_and_memory_is_decimal() -> None:
    template = WorkerTemplate(cpu="16", ephemeral_storage="100Gi")
    class_ = accelerator_class(extra_resources={"rdma/hca": "4"}, gpu_equivalents_per_device=2)
    resources = worker(manifest(job(template=template), class_=class_))["resources"]
    assert resources["limits"] == resources["requests"]
    assert resources["limits"] == {
        "cpu": "16",
        "ephemeral-storage": "100Gi",
        "memory": "256G",
        "stargate.dev/silicon-v2": "4",
        "rdma/hca": "4",
    }


def test_pod_without_cpu_setting_requests_no_cpu() -> None:
    assert "cpu" not in worker(manifest())["resources"]["limits"]


def test_pod_passes_restricted_pod_security_level() -> None:
    init = InitContainer(name="fetch", image="fetch:1")
    spec = manifest(job(template=WorkerTemplate(init_containers=[init])))["spec"]
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    for container in (*spec["containers"], *spec["initContainers"]):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
    allowed = {"persistentVolumeClaim", "csi", "emptyDir", "projected", "configMap", "secret"}
    assert {kind for volume in spec["volumes"] for kind in volume} - {"name"} <= allowed


def test_init_container_knows_job_and_rank_but_cannot_report() -> None:
    own = [EnvVar(name="BUCKET", value="$(STARGATE_JOB)"), EnvVar(name="STARGATE_RANK", value="9")]
    init = InitContainer(name="fetch", image="fetch:1", env=own)
    spec = manifest(job(template=WorkerTemplate(init_containers=[init])))["spec"]
    [container] = spec["initContainers"]
    found = expanded(container["env"])
    assert (found["BUCKET"], found["STARGATE_RANK"]) == ("train", "3")
    assert found["STARGATE_DATASET_URI"] == "stargate_storage://datasets/materia-v3"
    assert not {"STARGATE_REPORT_URL", "STARGATE_REPORT_TOKEN_FILE", "PET_NNODES"} & found.keys()


def test_unrestricted_runtime_sets_only_user_and_group() -> None:
    pod = manifest(runtime_=runtime(pod_security="Unrestricted", run_as_user=1000, fs_group=2000))
    assert pod["spec"]["securityContext"] == {"runAsUser": 1000, "fsGroup": 2000}
    assert "securityContext" not in worker(pod)


def test_pod_never_mounts_default_token() -> None:
    spec = manifest()["spec"]
    assert (spec["automountServiceAccountToken"], spec["serviceAccountName"]) == (False, "default")


def test_pod_mounts_token_for_reports() -> None:
    pod = manifest()
    assert named(pod["spec"]["volumes"])["stargate-token"]["projected"]["sources"] == [
        {
            "serviceAccountToken": {
                "audience": "stargate.dev",
                "expirationSeconds": 43_200,
                "path": "token",
            }
        }
    ]
    assert named(worker(pod)["volumeMounts"])["stargate-token"] == {
        "name": "stargate-token",
        "mountPath": "/var/run/secrets/stargate.dev",
        "readOnly": True,
    }


@pytest.mark.parametrize(("asked", "size"), [(None, "128000M"), ("64Gi", "64Gi")])
def test_shared_memory_is_memory_backed_volume(asked: str | None, size: str) -> None:
    volume = named(manifest(runtime_=runtime(shared_memory=asked))["spec"]["volumes"])
    assert volume["stargate-shm"]["emptyDir"] == {"medium": "Memory", "sizeLimit": size}


def test_own_shared_memory_mount_replaces_default() -> None:
    template = WorkerTemplate(
        volumes=[Volume(name="shm", empty_dir=EmptyDirSource(medium="Memory"))],
        volume_mounts=[VolumeMount(name="shm", mount_path="/dev/shm")],
    )
    pod = manifest(job(template=template))
    paths = [each["mountPath"] for each in worker(pod)["volumeMounts"]]
    assert paths.count("/dev/shm") == 1
    assert "stargate-shm" not in named(pod["spec"]["volumes"])


def test_only_storage_referenced_by_job_is_mounted() -> None:
    used = StorageVolume(csi=CsiSource(driver="fuse.csi"))
    storage = [
        Storage(scheme="stargate_storage", volume=used, mount_path="/data"),
        Storage(scheme="elsewhere", volume=used, mount_path="/else"),
    ]
    pod = manifest(runtime_=runtime(storage=storage))
    mounts = {each["mountPath"]: each["name"] for each in worker(pod)["volumeMounts"]}
    assert mounts["/data"] in named(pod["spec"]["volumes"])
    assert "/else" not in mounts


def test_storage_of_the_resume_point_is_mounted() -> None:
    """The runtime's storage may have changed since the checkpoint was written."""
    volume = StorageVolume(csi=CsiSource(driver="fuse.csi"))
    storage = [Storage(scheme="before", volume=volume, mount_path="/before")]
    given = job().running(2).saved(5).restored(5, "before://c/epoch-5")
    pod = manifest(given, runtime_=runtime(storage=storage))
    assert "/before" in [each["mountPath"] for each in worker(pod)["volumeMounts"]]


def test_every_mount_has_a_volume() -> None:
    pod = manifest()
    mounts = {each["name"] for each in worker(pod)["volumeMounts"]}
    assert mounts == set(named(pod["spec"]["volumes"]))


def test_pod_has_node_selector_and_tolerations_of_class() -> None:
    taint = Toleration(key="accelerator", operator="Exists", effect="NoSchedule")
    class_ = accelerator_class(node_selector={"pool": "silicon"}, tolerations=[taint])
    spec = manifest(class_=class_)["spec"]
    assert spec["nodeSelector"] == {"pool": "silicon"}
    assert spec["tolerations"] == [
        {"key": "accelerator", "operator": "Exists", "effect": "NoSchedule"}
    ]


def placed(placement: Placement, *tolerations: Toleration) -> dict[str, Any]:
    given, class_ = job(), accelerator_class(tolerations=list(tolerations))
    made_from = blueprint(given, class_=class_)
    pod = worker_pod(given, made_from, attempt=1, rank="0", target=TARGET, placement=placement)
    spec: dict[str, Any] = pod["spec"]
    return spec


def test_pod_excludes_avoided_nodes_by_name() -> None:
    affinity = placed(Placement(avoided=("node-1", "node-7")))["affinity"]["nodeAffinity"]
    assert affinity == {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [
                {
                    "matchFields": [
                        {"key": "metadata.name", "operator": "NotIn", "values": ["node-1"]},
                        {"key": "metadata.name", "operator": "NotIn", "values": ["node-7"]},
                    ]
                }
            ]
        }
    }
    assert "affinity" not in placed(Placement())


@pytest.mark.parametrize(
    ("toleration", "named"),
    [
        (Toleration(operator="Exists"), True),
        (Toleration(key="node.kubernetes.io/unreachable", operator="Exists"), True),
        (Toleration(operator="Exists", effect="NoSchedule"), True),
        (Toleration(operator="Exists", effect="NoExecute"), False),
        (Toleration(key="accelerator", operator="Exists"), False),
    ],
)
def test_unready_node_is_named_only_if_tolerated(toleration: Toleration, named: bool) -> None:
    """Its taint keeps other pods away, and autoscalers start no node for pods that name nodes."""
    spec = placed(Placement(avoided_unready=("node-1",)), toleration)
    assert ("affinity" in spec) is named


def test_pod_tolerates_unready_node_for_given_seconds() -> None:
    found = placed(Placement(tolerated_seconds=330))["tolerations"]
    assert [(each["key"], each["tolerationSeconds"]) for each in found] == [
        ("node.kubernetes.io/not-ready", 330),
        ("node.kubernetes.io/unreachable", 330),
    ]


@pytest.mark.parametrize(
    ("stated", "added"),
    [
        (Toleration(operator="Exists"), 0),
        (Toleration(key="node.kubernetes.io/unreachable", operator="Exists"), 1),
        (Toleration(key="accelerator", operator="Exists"), 2),
        (Toleration(operator="Exists", effect="NoSchedule"), 2),
    ],
)
def test_unready_toleration_of_class_is_kept(stated: Toleration, added: int) -> None:
    found = placed(Placement(tolerated_seconds=330), stated)["tolerations"]
    assert len(found) == 1 + added


@pytest.mark.parametrize(
    ("job_s", "runtime_s", "found"), [(None, None, 30), (None, 60, 60), (90, 60, 90)]
)
def test_grace_period_of_job_precedes_that_of_runtime(
    job_s: int | None, runtime_s: int | None, found: int
) -> None:
    given = job(template=WorkerTemplate(termination_grace_period_seconds=job_s))
    pod = manifest(given, runtime_=runtime(termination_grace_period_seconds=runtime_s))
    assert pod["spec"]["terminationGracePeriodSeconds"] == found


def test_pod_is_never_restarted_in_place() -> None:
    assert manifest()["spec"]["restartPolicy"] == "Never"


@pytest.mark.parametrize(("kept", "policy"), [(True, "FallbackToLogsOnError"), (False, "File")])
def test_runtime_can_keep_logs_out_of_status(kept: bool, policy: str) -> None:
    pod = manifest(runtime_=runtime(log_lines_in_status=kept))
    assert worker(pod)["terminationMessagePolicy"] == policy


def test_job_image_and_command_replace_those_of_runtime() -> None:
    mine = WorkerTemplate(image="mine:2", command=["python"], args=["-m", "train"])
    theirs = runtime(command=["torchrun"], args=["x"], image_pull_policy="Always")
    container = worker(manifest(job(template=mine), runtime_=theirs))
    assert (container["image"], container["command"], container["args"]) == (
        "mine:2",
        ["python"],
        ["-m", "train"],
    )
    assert container["imagePullPolicy"] == "Always"
    assert worker(manifest(runtime_=theirs))["command"] == ["torchrun"]


def test_env_sources_of_runtime_precede_those_of_job() -> None:
    def source(name: str) -> EnvFromSource:
        return EnvFromSource(config_map_ref=ObjectReference(name=name))

    given = job(template=WorkerTemplate(env_from=[source("job")]))
    container = worker(manifest(given, runtime_=runtime(env_from=[source("runtime")])))
    assert [each["configMapRef"]["name"] for each in container["envFrom"]] == ["runtime", "job"]


@pytest.mark.parametrize("rank", [0, 1, 17, 1742, 4999])
@pytest.mark.parametrize("group", [None, "train-2"], ids=["without a group", "in a group"])
def test_stamped_pod_equals_pod_built_in_full(rank: int, group: str | None) -> None:
    given = job(nodes=5000, template=WorkerTemplate(labels={"at": "rank"}))
    made_from = blueprint(given)
    stamp = pod_stamp(
        given, made_from, attempt=2, target=TARGET, placement=Placement(pod_group=group)
    )
    full = worker_pod(given, made_from, attempt=2, rank=str(rank), target=TARGET)
    full["metadata"]["labels"]["stargate.dev/shard"] = str(rank % 16)
    if group:
        full["spec"]["schedulingGroup"] = {"podGroupName": group}
    assert json.loads(stamp.of_rank(rank)) == full


def test_placed_gang_selects_labels_of_block_and_domain() -> None:
    place = Place(compute_block("row-a", node_selector={"row": "a"}), ("zone", "1"))
    made_for = blueprint(job(), class_=accelerator_class(node_selector={"gpu": "v2"})).at(place)
    made = worker_pod(job(), made_for, attempt=1, rank="0", target=TARGET)
    assert made["spec"]["nodeSelector"] == {"gpu": "v2", "row": "a", "zone": "1"}
