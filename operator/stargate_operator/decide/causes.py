"""The table that gives the cause of a failed pod: what Kubernetes wrote on it, and what that means.

The first row that matches wins. What the job does to itself counts against `maxRestarts`; what its node
or the cluster does to it does not. The rows cover what the kubelets of Kubernetes 1.30 to 1.37 write.
docs/recovery.md shows the table.

See docs/decisions/0045-one-table-of-causes.md.
"""

import re
from dataclasses import dataclass

from stargate_operator.model.pod import Pod, Termination
from stargate_types.status import Cause

_OWN_LIMIT = re.compile(
    r"Usage of EmptyDir volume|exceeded its local ephemeral storage limit"
    r"|Pod ephemeral local storage usage exceeds"
)
"""The kubelet's messages for a pod over its own limits. It says `Evicted` of these too."""

_UNDER_PRESSURE = re.compile(r"The node had condition")
"""The kubelet's message for a pod that it does not admit, because the node is short of something."""

_NOT_SUPPORTED = frozenset(
    {
        "AppArmor",
        "InitContainerRestartPolicyForbidden",
        "PodFeatureUnsupported",
        "PodLevelResourcesNotSupported",
        "PodOSNotSupported",
        "PodOSSelectorNodeLabelDoesNotMatch",
        "SupplementalGroupsPolicyNotSupported",
        "SysctlForbidden",
    }
)
"""Reasons of kubelets that cannot run such a pod at all: no other try changes it."""

_SIGNAL_CODES = range(129, 193)
"""128 + the signal, as shells say it. 255 is no signal but what exit(-1) comes out as."""


@dataclass(frozen=True)
class CauseRule:
    """One row. A field that is not given matches everything.

    `disruption`: reasons of the pod's condition DisruptionTarget; "*" is any. `pod_reason` and
    `pod_message`: of the pod's status. `container_reason`: of the terminated container. `ended`: whether
    a container of the pod has ended. `deleting`: whether the pod is being deleted. `signal`: whether a
    signal ended the container. `when` says it all for people.
    """

    cause: Cause
    when: str
    disruption: frozenset[str] = frozenset()
    pod_reason: frozenset[str] = frozenset()
    pod_message: re.Pattern[str] | None = None
    container_reason: frozenset[str] = frozenset()
    ended: bool | None = None
    deleting: bool | None = None
    signal: bool | None = None

    def matches(self, pod: Pod) -> bool:
        ended = pod.terminated
        return (
            _among(pod.disruption, self.disruption)
            and _among(pod.status_reason, self.pod_reason)
            and (
                self.pod_message is None or self.pod_message.search(pod.status_message) is not None
            )
            and _among(ended.reason if ended else "", self.container_reason)
            and self.ended in (None, ended is not None)
            and self.deleting in (None, pod.deleting)
            and self.signal in (None, ended is not None and _by_signal(ended))
        )


RULES = (
    CauseRule(
        Cause.OOM_KILLED,
        "a container exceeded its memory limit (container reason `OOMKilled`)",
        container_reason=frozenset({"OOMKilled"}),
    ),
    CauseRule(
        Cause.LIMIT_EXCEEDED,
        "the pod exceeded its own limit of ephemeral storage or of an emptyDir (pod reason `Evicted`)",
        pod_reason=frozenset({"Evicted"}),
        pod_message=_OWN_LIMIT,
    ),
    CauseRule(
        Cause.NODE_LOST,
        "the node is gone or not reachable (`DisruptionTarget`: `DeletionByTaintManager`,"
        " `DeletionByPodGC`)",
        disruption=frozenset({"DeletionByTaintManager", "DeletionByPodGC"}),
    ),
    CauseRule(
        Cause.PREEMPTED,
        "a pod of higher priority took its place (`DisruptionTarget`: `PreemptionByScheduler`)",
        disruption=frozenset({"PreemptionByScheduler"}),
    ),
    CauseRule(
        Cause.PREEMPTED,
        "the kubelet made room for a critical pod (pod reason `Preempting`)",
        pod_reason=frozenset({"Preempting"}),
    ),
    CauseRule(
        Cause.REJECTED,
        "the node is under pressure and takes no new pod (pod reason `Evicted`, `The node had"
        " condition`)",
        pod_reason=frozenset({"Evicted"}),
        pod_message=_UNDER_PRESSURE,
    ),
    CauseRule(
        Cause.EVICTED,
        "a drain, node pressure, a node's shutdown or another disruption (`DisruptionTarget`:"
        " `EvictionByEvictionAPI`, `TerminationByKubelet` or any other reason)",
        disruption=frozenset({"*"}),
    ),
    CauseRule(
        Cause.NODE_LOST,
        "the node's kubelet was not heard any more (pod reason `NodeLost`)",
        pod_reason=frozenset({"NodeLost"}),
    ),
    CauseRule(
        Cause.REJECTED,
        "the node takes no pod while it shuts down (pod reason `NodeShutdown`, no container ran)",
        pod_reason=frozenset({"NodeShutdown"}),
        ended=False,
    ),
    CauseRule(
        Cause.EVICTED,
        "the kubelet ended the pod (pod reason `Evicted`, `Terminated`, `NodeShutdown`,"
        " `DeadlineExceeded`)",
        pod_reason=frozenset({"Evicted", "Terminated", "NodeShutdown", "DeadlineExceeded"}),
    ),
    CauseRule(
        Cause.DELETED,
        "somebody deleted the pod (`metadata.deletionTimestamp`)",
        deleting=True,
    ),
    CauseRule(
        Cause.NOT_SUPPORTED,
        "the node cannot run such a pod (pod reason `SysctlForbidden`, `AppArmor`, `PodOSNotSupported`,"
        " `PodFeatureUnsupported` …)",
        pod_reason=_NOT_SUPPORTED,
        ended=False,
    ),
    CauseRule(
        Cause.REJECTED,
        "the node did not admit the pod (`OutOf…`, `UnexpectedAdmissionError`, `TopologyAffinityError`"
        " or any other pod reason, and no container ran)",
        ended=False,
    ),
    CauseRule(
        Cause.NODE_LOST,
        "the node or its container runtime started again (container reason `ContainerStatusUnknown`,"
        " `Unknown`)",
        container_reason=frozenset({"ContainerStatusUnknown", "Unknown"}),
    ),
    CauseRule(
        Cause.CANNOT_START,
        "the command does not exist or cannot be run (container reason `StartError`,"
        " `ContainerCannotRun`)",
        container_reason=frozenset({"StartError", "ContainerCannotRun"}),
    ),
    CauseRule(
        Cause.SIGNAL,
        "a signal ended the container (exit code 129 to 192)",
        signal=True,
    ),
    CauseRule(Cause.EXIT, "the container exited by itself, with any other code"),
)
"""In the order in which they are asked. The last one always matches."""


def cause_of(pod: Pod) -> Cause:
    """The cause of a failed pod's failure."""
    return next(rule.cause for rule in RULES if rule.matches(pod))


def _among(said: str, wanted: frozenset[str]) -> bool:
    return not wanted or said in wanted or ("*" in wanted and bool(said))


def _by_signal(ended: Termination) -> bool:
    return bool(ended.signal) or ended.exit_code in _SIGNAL_CODES
