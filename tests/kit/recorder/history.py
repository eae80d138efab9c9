"""Recorded writes in the order of etcd's revision, which is one order for all kinds.

Times are seconds since the epoch, by the recorder's clock. `History.acting` subtracts the times in which
the operator could not act: interruptions (the test stopped the operator) and standstills of the machine.
"""

import bisect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Literal

from tests.kit.kubelet_environment import expanded

Json = dict[str, Any]
Verb = Literal["FOUND", "ADDED", "MODIFIED", "DELETED"]
"""FOUND means that the object existed when the recorder started."""

Position = tuple[int, int]
"""Epoch and step; the step is -1 where it is not known."""


def position(saved: Json) -> Position:
    """Of a checkpoint. One without a step comes before those of its epoch that have one."""
    return int(saved["epoch"]), int(saved.get("step", -1))


def age(saved: Json) -> tuple[Position, int]:
    """The higher, the newer is the checkpoint: its position, then the attempt that wrote it."""
    return position(saved), int(saved.get("attempt", 0))


def place(saved: Json) -> str:
    """The position of a checkpoint in words."""
    step = saved.get("step")
    return f"epoch {saved.get('epoch')}" + ("" if step is None else f", step {step}")


TERMINAL_PHASES = frozenset({"Succeeded", "Failed"})


_ENDED_BY_ITS_NODE = ("Evicted", "NodeLost", "NodeShutdown", "Preempting", "Terminated")


def _worker_state(status: Json) -> Json:
    """The state of the worker's container; empty where the kubelet has said nothing."""
    containers = status.get("containerStatuses") or []
    named = [found for found in containers if found.get("name") == "worker"]
    return next((found.get("state") or {} for found in named or containers[:1]), {})


def _moment(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp) if stamp else datetime.fromtimestamp(0, UTC)


def _seconds(stamp: str) -> int:
    """Whole seconds, as Kubernetes counts them."""
    return int(_moment(stamp).timestamp())


@dataclass(frozen=True)
class _Object:
    raw: Json

    @cached_property
    def uid(self) -> str:
        return str(self.raw["metadata"]["uid"])

    @property
    def name(self) -> str:
        return str(self.raw["metadata"]["name"])

    @property
    def deleting(self) -> bool:
        return "deletionTimestamp" in self.raw["metadata"]


class Pod(_Object):
    @cached_property
    def labels(self) -> dict[str, str]:
        return self.raw["metadata"].get("labels") or {}

    @cached_property
    def owner(self) -> str:
        """The UID of the StargateJob that controls the pod; "" if none does."""
        references = self.raw["metadata"].get("ownerReferences") or []
        jobs = [each for each in references if each["kind"] == "StargateJob"]
        return next((str(each["uid"]) for each in jobs if each.get("controller")), "")

    @cached_property
    def attempt(self) -> int:
        return int(self.labels.get("stargate.dev/attempt", 0))

    @cached_property
    def rank(self) -> int:
        return int(self.labels.get("stargate.dev/rank", -1))

    @property
    def phase(self) -> str:
        return str(self.raw.get("status", {}).get("phase", "Pending"))

    @cached_property
    def rank_phase(self) -> str:
        """A rank ends when its worker's container ends, whatever its sidecars do. Exit code 0 is a
        success only if nobody had told the worker to stop."""
        status = self.raw.get("status", {})
        ended = _worker_state(status).get("terminated")
        if ended is None:
            return self.phase
        if ended["exitCode"] or status.get("reason") in _ENDED_BY_ITS_NODE:
            return "Failed"
        told = [_seconds(moment) for moment in self._told_to_stop()]
        in_time = all(_seconds(ended.get("finishedAt", "")) < moment for moment in told)
        return "Succeeded" if in_time else "Failed"

    def _told_to_stop(self) -> Iterator[str]:
        meta, conditions = self.raw["metadata"], self.raw["status"].get("conditions") or []
        if self.deleting:
            grace = timedelta(seconds=meta.get("deletionGracePeriodSeconds") or 0)
            yield (_moment(meta["deletionTimestamp"]) - grace).isoformat()
        for condition in conditions:
            if (condition["type"], condition["status"]) == ("DisruptionTarget", "True"):
                yield condition.get("lastTransitionTime", "")

    @property
    def live(self) -> bool:
        return self.phase not in TERMINAL_PHASES

    @property
    def node(self) -> str:
        return str(self.raw["spec"].get("nodeName") or "")

    @property
    def ready(self) -> bool:
        conditions = self.raw.get("status", {}).get("conditions") or []
        return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

    @cached_property
    def env(self) -> dict[str, str]:
        """As the worker's process sees it."""
        return expanded(self.raw["spec"]["containers"][0].get("env") or [])


class Job(_Object):
    @property
    def spec(self) -> Json:
        return dict(self.raw["spec"])

    @cached_property
    def status(self) -> Json:
        return self.raw.get("status") or {}

    @property
    def phase(self) -> str:
        return str(self.status.get("phase") or "")

    @property
    def finished(self) -> bool:
        return self.phase in TERMINAL_PHASES

    @property
    def attempt(self) -> int:
        return int(self.status.get("attempt") or 0)

    @property
    def restarts(self) -> int:
        return int(self.status.get("restarts") or 0)

    @property
    def failures(self) -> int:
        """Those that count towards the restart budget."""
        return int(self.status.get("failuresSinceCheckpoint") or 0)

    @property
    def workers(self) -> Json:
        return dict(self.status.get("workers") or {})

    @property
    def attempts(self) -> list[Json]:
        return list(self.status.get("attempts") or [])

    @property
    def checkpoints(self) -> list[Json]:
        """Complete and damaged checkpoints, newest first."""
        return list((self.status.get("checkpoints") or {}).get("history") or [])

    @property
    def complete(self) -> list[Json]:
        """Those that an attempt may resume from, in the order of the status."""
        return [each for each in self.checkpoints if each["state"] == "Complete"]

    @property
    def newest_complete(self) -> Json | None:
        return max(self.complete, key=age, default=None)

    @property
    def retain(self) -> int:
        """How many complete checkpoints the job keeps."""
        return int((self.spec.get("checkpoint") or {}).get("retain", 3))

    @property
    def restored_from(self) -> Json | None:
        return (self.status.get("checkpoints") or {}).get("restoredFrom")

    @property
    def avoided_nodes(self) -> list[str]:
        return [str(each["name"]) for each in self.status.get("avoidedNodes") or []]

    @property
    def world_size(self) -> int:
        if self.attempts:
            return int(self.attempts[-1]["worldSize"])
        return int(self.spec["resourceAllocation"]["nodes"])

    @property
    def start_timeout(self) -> float:
        return float((self.spec.get("scheduling") or {}).get("startTimeoutSeconds", 600))


def phases(history: Iterable[Job]) -> list[str]:
    """The phases that a job went through. Versions in a row with one phase count once."""
    found: list[str] = []
    for job in history:
        if job.phase and job.phase not in found[-1:]:
            found.append(job.phase)
    return found


@dataclass(frozen=True)
class Write:
    """One committed write. For a deletion, `object` is the last state."""

    verb: Verb
    kind: str
    version: int
    at: float
    object: Json

    @property
    def uid(self) -> str:
        return str(self.object["metadata"]["uid"])

    @property
    def name(self) -> str:
        return str(self.object["metadata"]["name"])

    @cached_property
    def pod(self) -> Pod | None:
        return Pod(self.object) if self.kind == "Pod" else None

    @cached_property
    def job(self) -> Job | None:
        return Job(self.object) if self.kind == "StargateJob" else None

    @property
    def job_uid(self) -> str:
        """The UID of the job that the write belongs to."""
        if self.pod:
            return self.pod.owner
        if self.kind == "Event":
            return str(self.object["involvedObject"].get("uid", ""))
        return self.uid


@dataclass(frozen=True)
class Request:
    """One request of an operator, from the API server's audit log."""

    agent: str
    verb: str
    resource: str
    namespace: str
    name: str
    code: int
    began: float
    ended: float
    grace: int | None = None
    """The grace period of a pod's deletion, if the request sets one."""

    @property
    def writes(self) -> bool:
        return self.verb in ("create", "update", "patch", "delete", "deletecollection")


@dataclass(frozen=True)
class Gap:
    """The recorder missed writes, so the history proves nothing."""

    kind: str
    at: float
    why: str


@dataclass(frozen=True)
class Interruption:
    start: float
    end: float


def lost_by(moment: float, interruptions: list[Interruption]) -> float:
    """Seconds before `moment` that lie in at least one of the interruptions."""
    lost, counted = 0.0, float("-inf")
    for interruption in sorted(interruptions, key=lambda interruption: interruption.start):
        start, end = max(interruption.start, counted), min(interruption.end, moment)
        lost += max(0.0, end - start)
        counted = max(counted, end)
    return lost


@dataclass
class History:
    """All that the recorder saw. The record is complete up to `until`. `patience` is a factor for the
    allowed delay of a status, for tests that overload the machine."""

    writes: list[Write] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    interruptions: list[Interruption] = field(default_factory=list)
    standstills: list[Interruption] = field(default_factory=list)
    until: float = 0.0
    patience: float = 1.0
    one_clock: bool = False
    """True if writes and requests have the times of one clock, as in a cluster in memory."""

    def add(self, write: Write) -> None:
        """Insert the write by version: each kind has its own watch, and one may be later than others."""
        bisect.insort(self.writes, write, key=lambda write: write.version)
        self.until = max(self.until, write.at)

    def acting(self, moment: float) -> float:
        """`moment` on a clock that stops while the operator cannot act."""
        return moment - lost_by(moment, [*self.interruptions, *self.standstills])

    def of_job(self, uid: str) -> list[Write]:
        return [write for write in self.writes if write.job_uid == uid]


@dataclass
class State:
    """The objects that exist after a write."""

    objects: dict[str, Write] = field(default_factory=dict)
    _pods: dict[str, dict[str, Pod]] = field(default_factory=dict)
    _owners: dict[str, str] = field(default_factory=dict)

    def apply(self, write: Write) -> None:
        if write.verb == "DELETED":
            self.objects.pop(write.uid, None)
        else:
            self.objects[write.uid] = write
        if write.pod:
            self._apply_pod(write.verb, write.pod)

    def _apply_pod(self, verb: Verb, pod: Pod) -> None:
        """Move the pod to its current owner: an orphaned pod leaves its former one."""
        owner = self._owners.pop(pod.uid, pod.owner)
        self._pods.setdefault(owner, {}).pop(pod.uid, None)
        if verb != "DELETED":
            self._owners[pod.uid] = pod.owner
            self._pods.setdefault(pod.owner, {})[pod.uid] = pod

    def job(self, uid: str) -> Job | None:
        write = self.objects.get(uid)
        return write.job if write else None

    @property
    def jobs(self) -> Iterator[Job]:
        return (write.job for write in list(self.objects.values()) if write.job)

    def job_named(self, name: str) -> Job | None:
        return next((job for job in self.jobs if job.name == name), None)

    def pod(self, uid: str) -> Pod | None:
        write = self.objects.get(uid)
        return write.pod if write else None

    def pods_of(self, job_uid: str) -> list[Pod]:
        return list(self._pods.get(job_uid, {}).values())

    @property
    def pods(self) -> list[Pod]:
        return [pod for pods in self._pods.values() for pod in pods.values()]

    def all(self, kind: str) -> list[Json]:
        return [write.object for write in self.objects.values() if write.kind == kind]
