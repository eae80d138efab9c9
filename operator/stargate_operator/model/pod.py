"""A worker pod as the operator sees it: the few fields that a decision needs, decoded once.

Times are seconds since the epoch (UTC) as the API server wrote them.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

PENDING: Final = "Pending"
RUNNING: Final = "Running"
SUCCEEDED: Final = "Succeeded"
FAILED: Final = "Failed"
TERMINAL: Final = frozenset({SUCCEEDED, FAILED})

ORDINARY_WAITING: Final = frozenset({"", "ContainerCreating", "PodInitializing"})
"""Waiting that every container goes through; any other reason means that it cannot start."""

NOTHING: Final[Mapping[str, int]] = MappingProxyType({})


class Termination(msgspec.Struct, frozen=True, gc=False):
    """How the worker container ended, or the init container that kept it from its start."""

    exit_code: int
    signal: int = 0
    reason: str = ""
    message: str = ""
    finished_at: float | None = None
    init_container: str = ""
    """Its name. Empty if it was the worker's container."""


class Pod(msgspec.Struct, frozen=True, gc=False):
    """One pod of a gang.

    `phase` is that of its rank: a rank ends when its worker's container ends. `pod_phase` is that of the
    pod, where it differs: a sidecar may outlive the worker and hold the node.
    """

    name: str
    namespace: str
    uid: str
    resource_version: int
    job_uid: str
    job_name: str
    attempt: int
    rank: int
    owner_uid: str = ""
    node: str = ""
    requests: Mapping[str, int] = NOTHING
    """Its requests of its node, once it has one: thousandths of a CPU, bytes, whole devices."""
    service_account: str = ""
    phase: str = PENDING
    pod_phase: str = ""
    created: float = 0.0
    scheduled_at: float | None = None
    started_at: float | None = None
    """When the worker container began to run, while it does."""
    ready: bool = False
    deleting: bool = False
    deletion_at: float | None = None
    """When its grace ends; past it, a pod that is still here is stuck."""
    status_reason: str = ""
    status_message: str = ""
    disruption: str = ""
    unschedulable_message: str = ""
    waiting_reason: str = ""
    waiting_message: str = ""
    terminated: Termination | None = None

    @property
    def terminal(self) -> bool:
        return (self.pod_phase or self.phase) in TERMINAL

    @property
    def alive(self) -> bool:
        """Non-terminal: it holds, or may come to hold, a node."""
        return not self.terminal

    @property
    def lingers(self) -> bool:
        """True if its worker has ended and the pod has not: the kubelet says so a second or two later,
        or a sidecar runs on."""
        return self.alive and self.phase in TERMINAL

    @property
    def has_run(self) -> bool:
        """True if its worker runs or has run, so that a second pod of its rank could meet it."""
        ended = self.terminated
        return self.phase in (RUNNING, SUCCEEDED) or (
            ended is not None and not ended.init_container
        )
