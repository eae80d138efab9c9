"""The cause of a failed pod, from what the kubelet and Kubernetes write on it.

Each example has the words of the real part: pkg/kubelet of Kubernetes 1.30 to 1.37 and its controllers.
"""

from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from stargate_operator.decide.causes import RULES, cause_of
from stargate_operator.decide.culprit import first_failure
from stargate_operator.decide.plan import AVOID_NODE, Ending
from stargate_operator.informers.pod_wire import WirePod, pod_of
from stargate_operator.model.pod import FAILED, Pod
from stargate_types.status import Cause
from tests.kit.builders import NOW

AT = "2026-03-01T11:59:50Z"
BYSTANDER = {"terminated": {"exitCode": 0, "reason": "Completed", "finishedAt": AT}}


def ended(code: int, reason: str = "Error", **more: Any) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason, "finishedAt": AT, **more}}


@dataclass(frozen=True)
class Written:
    """What stands on a failed pod. `inits` are the states of its init containers by name; those whose
    name begins with `sidecar` run beside the worker."""

    cause: Cause
    worker: dict[str, Any] | None = None
    reason: str = ""
    message: str = ""
    disruption: str = ""
    deleted: bool = False
    inits: dict[str, dict[str, Any]] = field(default_factory=dict)

    def pod(self) -> Pod:
        meta: dict[str, Any] = {"name": "train-1-3", "namespace": "a", "uid": "u"}
        meta["labels"] = {"stargate.dev/rank": "3", "stargate.dev/attempt": "1"}
        if self.deleted:
            meta |= {"deletionTimestamp": AT, "deletionGracePeriodSeconds": 30}
        condition = {"type": "DisruptionTarget", "status": "True", "reason": self.disruption}
        status = {
            "phase": "Failed",
            "reason": self.reason,
            "message": self.message,
            "conditions": [{**condition, "lastTransitionTime": AT}] if self.disruption else [],
            "initContainerStatuses": [{"name": n, "state": s} for n, s in self.inits.items()],
            "containerStatuses": [{"name": "worker", "state": self.worker}] if self.worker else [],
        }
        inits = [
            {"name": name, "restartPolicy": "Always" if name.startswith("sidecar") else ""}
            for name in self.inits
        ]
        spec = {"nodeName": "node-3", "initContainers": inits}
        body = msgspec.json.encode({"metadata": meta, "spec": spec, "status": status})
        return pod_of(msgspec.json.decode(body, type=WirePod))


WAITS = {"waiting": {"reason": "PodInitializing"}}
LOW = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 80Mi. "

WRITTEN = {
    "over its memory": Written(Cause.OOM_KILLED, ended(137, "OOMKilled")),
    "over its memory, then deleted": Written(
        Cause.OOM_KILLED, ended(137, "OOMKilled"), deleted=True
    ),
    "an init container over its memory": Written(
        Cause.OOM_KILLED, WAITS, inits={"fetch": ended(137, "OOMKilled")}
    ),
    "over its emptyDir's limit": Written(
        Cause.LIMIT_EXCEEDED,
        ended(137),
        "Evicted",
        'Usage of EmptyDir volume "scratch" exceeds the limit "1Gi". ',
    ),
    "over its container's storage": Written(
        Cause.LIMIT_EXCEEDED,
        ended(137),
        "Evicted",
        'Container worker exceeded its local ephemeral storage limit "1Gi". ',
    ),
    "over its pod's storage": Written(
        Cause.LIMIT_EXCEEDED,
        ended(0),
        "Evicted",
        "Pod ephemeral local storage usage exceeds the total limit of containers 2Gi. ",
    ),
    "its node is tainted as unreachable": Written(
        Cause.NODE_LOST, ended(143), disruption="DeletionByTaintManager", deleted=True
    ),
    "its node is gone": Written(Cause.NODE_LOST, disruption="DeletionByPodGC"),
    "its kubelet is silent": Written(Cause.NODE_LOST, reason="NodeLost", deleted=True),
    "the scheduler preempts it": Written(
        Cause.PREEMPTED, ended(143), disruption="PreemptionByScheduler", deleted=True
    ),
    "the kubelet preempts it": Written(
        Cause.PREEMPTED,
        reason="Preempting",
        message="Preempted in order to admit critical pod",
        disruption="TerminationByKubelet",
    ),
    "its node is low on memory": Written(
        Cause.EVICTED, ended(137), "Evicted", LOW, "TerminationByKubelet"
    ),
    "its node takes no pod under pressure": Written(
        Cause.REJECTED, None, "Evicted", "The node had condition: [DiskPressure]. "
    ),
    "its node is drained": Written(
        Cause.EVICTED, ended(143), disruption="EvictionByEvictionAPI", deleted=True
    ),
    "its node is drained, and it exits with 0": Written(
        Cause.EVICTED, ended(0, "Completed"), disruption="EvictionByEvictionAPI", deleted=True
    ),
    "a disruption of a new kind": Written(
        Cause.EVICTED, ended(143), disruption="DeletionByNovelty"
    ),
    "its node shuts down": Written(
        Cause.EVICTED,
        ended(143),
        "Terminated",
        "Pod was terminated in response to imminent node shutdown.",
        "TerminationByKubelet",
    ),
    "its node shuts down, without a condition": Written(Cause.EVICTED, ended(0), "NodeShutdown"),
    "its own deadline": Written(Cause.EVICTED, ended(137), "DeadlineExceeded"),
    "its node takes no pod at its shutdown": Written(
        Cause.REJECTED, None, "NodeShutdown", "Pod was rejected as the node is shutting down."
    ),
    "somebody deletes it": Written(Cause.DELETED, ended(143), deleted=True),
    "somebody deletes it, and its container is not found": Written(
        Cause.DELETED, ended(137, "ContainerStatusUnknown"), deleted=True
    ),
    "a sysctl is forbidden": Written(Cause.NOT_SUPPORTED, None, "SysctlForbidden"),
    "the node has no AppArmor": Written(Cause.NOT_SUPPORTED, None, "AppArmor"),
    "the node has another system": Written(Cause.NOT_SUPPORTED, None, "PodOSNotSupported"),
    "a feature is missing": Written(Cause.NOT_SUPPORTED, None, "PodFeatureUnsupported"),
    "too few devices": Written(Cause.REJECTED, None, "OutOfnvidia.com/gpu"),
    "too few CPUs": Written(Cause.REJECTED, WAITS, "OutOfcpu"),
    "the device plugin is away": Written(Cause.REJECTED, None, "UnexpectedAdmissionError"),
    "the topology manager": Written(Cause.REJECTED, None, "TopologyAffinityError"),
    "the labels have changed": Written(Cause.REJECTED, None, "NodeAffinity"),
    "too many volumes": Written(Cause.REJECTED, None, "VolumeAttachmentLimitExceeded"),
    "no reason at all": Written(Cause.REJECTED),
    "its node has started again": Written(Cause.NODE_LOST, ended(137, "ContainerStatusUnknown")),
    "containerd has started again": Written(Cause.NODE_LOST, ended(255, "Unknown")),
    "no such command": Written(Cause.CANNOT_START, ended(128, "StartError")),
    "no such command, by Docker": Written(Cause.CANNOT_START, ended(127, "ContainerCannotRun")),
    "an init container without its command": Written(
        Cause.CANNOT_START, WAITS, inits={"fetch": ended(128, "StartError")}
    ),
    "SIGKILL": Written(Cause.SIGNAL, ended(137)),
    "a signal in its own field": Written(Cause.SIGNAL, ended(1, signal=11)),
    "the last signal": Written(Cause.SIGNAL, ended(192)),
    "exit 1": Written(Cause.EXIT, ended(1)),
    "exit 128, no signal": Written(Cause.EXIT, ended(128)),
    "exit 193, no signal": Written(Cause.EXIT, ended(193)),
    "exit -1": Written(Cause.EXIT, ended(255)),
    "an init container": Written(Cause.EXIT, WAITS, inits={"fetch": ended(42)}),
    "an init container beside a sidecar": Written(
        Cause.EXIT, WAITS, inits={"sidecar": ended(143), "ready": BYSTANDER, "fetch": ended(42)}
    ),
}


@pytest.mark.parametrize("what", WRITTEN)
def test_table_gives_cause_of_a_failed_pod(what: str) -> None:
    pod = WRITTEN[what].pod()
    assert (pod.phase, cause_of(pod)) == (FAILED, WRITTEN[what].cause)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.when)
def test_each_rule_decides_an_example(rule: Any) -> None:
    pods = [written.pod() for written in WRITTEN.values()]
    deciding = [next(each for each in RULES if each.matches(pod)) for pod in pods]
    assert rule in deciding


def ending_of(what: str) -> Ending:
    ending = first_failure([WRITTEN[what].pod()], NOW)
    assert ending is not None
    return ending


@pytest.mark.parametrize(
    ("what", "counted"),
    [
        ("over its memory", True),
        ("over its emptyDir's limit", True),
        ("over its pod's storage", True),
        ("a sysctl is forbidden", True),
        ("no such command", True),
        ("SIGKILL", True),
        ("an init container", True),
        ("its node is low on memory", False),
        ("its node takes no pod under pressure", False),
        ("its node is drained", False),
        ("its node has started again", False),
        ("its own deadline", False),
        ("the scheduler preempts it", False),
        ("too few devices", False),
        ("somebody deletes it", False),
    ],
)
def test_only_the_job_s_own_faults_count(what: str, counted: bool) -> None:
    assert ending_of(what).counted is counted


@pytest.mark.parametrize("what", ["too few devices", "its node takes no pod under pressure"])
def test_node_that_rejects_a_pod_is_avoided(what: str) -> None:
    ending = ending_of(what)
    assert (ending.cause in AVOID_NODE, ending.node) == (True, "node-3")


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("an init container", "init container fetch of rank 3 on node-3 exited with 42"),
        (
            "an init container over its memory",
            "init container fetch of rank 3 on node-3 ran out of memory and was killed (exit 137)",
        ),
        (
            "over its emptyDir's limit",
            "rank 3 on node-3 exceeded its own storage limit and was evicted: Usage of EmptyDir"
            ' volume "scratch" exceeds the limit "1Gi".',
        ),
        (
            "a sysctl is forbidden",
            "rank 3 on node-3 is not supported by its node (SysctlForbidden)",
        ),
    ],
)
def test_message_names_rank_node_and_container(what: str, said: str) -> None:
    ending = ending_of(what)
    assert (ending.message, ending.rank) == (said, 3)


def test_init_container_s_log_and_exit_code_are_told() -> None:
    written = Written(Cause.EXIT, WAITS, inits={"fetch": ended(42, message="no such bucket\n")})
    ending = first_failure([written.pod()], NOW)
    assert ending is not None
    assert (ending.exit_code, ending.log) == (42, "no such bucket")


def test_failed_init_container_is_no_worker_that_ran() -> None:
    assert not WRITTEN["an init container"].pod().has_run
