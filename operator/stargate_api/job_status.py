"""The status of a job: a mapping with the article's keys, and the same as typed attributes.

`status["state"]` and `status.get("progress")` work as in the article. A key is absent while its value
is unknown, so `.get` returns its default. Every value comes from the resource as it stands.
"""

from datetime import datetime
from functools import cached_property

from stargate_api._client.attribute_mapping import AttributeMapping
from stargate_api._client.lenient import read_leniently
from stargate_api._client.steps import Json
from stargate_types import StargateJob
from stargate_types.accounting import Energy, Goodput
from stargate_types.position import Position
from stargate_types.status import (
    AttemptStatus,
    Checkpoint,
    Condition,
    Phase,
    Workers,
)

_KEYS = (
    "job_id",
    "state",
    "message",
    "progress",
    "epoch",
    "epochs",
    "step",
    "total_steps",
    "steps_per_second",
    "estimated_remaining_seconds",
    "metrics",
    "checkpoint_epoch",
    "checkpoint_step",
    "checkpoint_uri",
    "attempt",
    "restarts",
    "nodes",
    "nodes_running",
    "start_time",
    "completion_time",
)


class JobStatus(AttributeMapping):
    """The status of one job at one moment. `manifest` is the whole resource as the server sent it."""

    mapping_keys = _KEYS

    def __init__(self, manifest: Json) -> None:
        self.manifest = manifest
        self.job = read_leniently(StargateJob, manifest)

    def __repr__(self) -> str:
        progress = f" {self.progress:g} %" if self.progress is not None else ""
        return f"<JobStatus {self.job_id} {self.state}{progress}>"

    @property
    def job_id(self) -> str:
        """The job's id, `namespace/name`."""
        return self.job.key

    @property
    def name(self) -> str:
        """The job's name."""
        return self.job.metadata.name

    @property
    def namespace(self) -> str:
        """The job's namespace."""
        return self.job.metadata.namespace

    @property
    def phase(self) -> Phase:
        """The phase; Pending until the operator has seen the job."""
        return self.job.status.phase or Phase.PENDING

    @property
    def state(self) -> str:
        """The phase as text."""
        return str(self.phase)

    @property
    def finished(self) -> bool:
        """True if the job has succeeded or failed; its status does not change afterwards."""
        return self.phase.finished

    @property
    def progress(self) -> float | None:
        """Completed part of the training in percent; None before the first report."""
        return self.job.status.progress.percent if self.job.status.progress else None

    @property
    def epoch(self) -> int | None:
        """Number of completed epochs; None before the first report."""
        return self.job.status.progress.epoch if self.job.status.progress else None

    @property
    def epochs(self) -> int:
        """Number of epochs to train."""
        return self.job.spec.epochs

    @property
    def position(self) -> Position | None:
        """Completed epochs and steps; None before the first report."""
        return self.job.status.progress.position if self.job.status.progress else None

    @property
    def step(self) -> int | None:
        """Number of optimizer steps since the training began; None where it is not reported."""
        return self.position.step if self.position else None

    @property
    def total_steps(self) -> int | None:
        """Number of optimizer steps to train; None where neither spec nor trainer states it."""
        progress = self.job.status.progress
        return self.job.spec.steps or (progress.total_steps if progress else None)

    @property
    def steps_per_second(self) -> float | None:
        """Optimizer steps in a second, as measured in this attempt."""
        progress = self.job.status.progress
        return progress.steps_per_second if progress else None

    @property
    def estimated_remaining_seconds(self) -> int | None:
        """Seconds to the end of training at the pace of this attempt."""
        progress = self.job.status.progress
        return progress.estimated_remaining_seconds if progress else None

    @property
    def metrics(self) -> dict[str, float] | None:
        """The trainer's own numbers by name, such as loss."""
        progress = self.job.status.progress
        values = {metric.name: metric.value for metric in progress.metrics} if progress else {}
        return values or None

    @cached_property
    def checkpoint(self) -> Checkpoint | None:
        """The newest complete checkpoint, from which the job would resume."""
        checkpoints = self.job.status.checkpoints
        history = checkpoints.history if checkpoints else []
        complete = (checkpoint for checkpoint in history if checkpoint.state == "Complete")
        return next(complete, None)

    @property
    def checkpoint_epoch(self) -> int | None:
        """Completed epochs in the newest complete checkpoint."""
        return self.checkpoint.epoch if self.checkpoint else None

    @property
    def checkpoint_step(self) -> int | None:
        """Optimizer steps in the newest complete checkpoint; None where they are not reported."""
        return self.checkpoint.step if self.checkpoint else None

    @property
    def checkpoint_uri(self) -> str | None:
        """URI of the newest complete checkpoint."""
        return self.checkpoint.uri if self.checkpoint else None

    @property
    def attempt(self) -> int:
        """Number of the current attempt, counted from 1; 0 before the first."""
        return self.job.status.attempt

    @property
    def attempts(self) -> list[AttemptStatus]:
        """The last attempts, the oldest first."""
        return self.job.status.attempts

    @property
    def restarts(self) -> int:
        """Number of attempts that a failure ended."""
        return self.job.status.restarts

    @property
    def workers(self) -> Workers:
        """Number of ranks in each state."""
        return self.job.status.workers or Workers()

    @property
    def nodes(self) -> int:
        """Number of workers of the gang, each on one node."""
        return self.job.current_world_size

    @property
    def nodes_running(self) -> int:
        """Number of workers whose pod runs."""
        return self.workers.running

    @property
    def conditions(self) -> dict[str, Condition]:
        """The conditions by type."""
        return {condition.type: condition for condition in self.job.status.conditions}

    @property
    def goodput(self) -> Goodput | None:
        """How the job's time divides into training, starting, lost and restarting, in seconds."""
        return self.job.status.goodput

    @property
    def energy(self) -> Energy | None:
        """Estimated energy in kilowatt hours."""
        return self.job.status.energy

    @property
    def start_time(self) -> datetime | None:
        """When the job started or last resumed."""
        return self.job.status.start_time

    @property
    def completion_time(self) -> datetime | None:
        """When the job succeeded or failed."""
        return self.job.status.completion_time

    @property
    def message(self) -> str | None:
        """Why the job is in this state, as the operator's conditions say it."""
        for kind in _EXPLAINING_CONDITIONS.get(self.phase, ()):
            condition = self.conditions.get(kind)
            if condition and condition.message and condition.status == _EXPLAINING_STATUS[kind]:
                return condition.message
        return None


_EXPLAINING_STATUS = dict.fromkeys(("Accepted", "Scheduled", "Ready"), "False") | dict.fromkeys(
    ("Succeeded", "Failed"), "True"
)
"""The status in which a condition's message explains the job's state."""
_WAITING = ("Accepted", "Scheduled", "Ready")
_EXPLAINING_CONDITIONS: dict[Phase, tuple[str, ...]] = {
    Phase.PENDING: _WAITING,
    Phase.QUEUED: _WAITING,
    Phase.STARTING: ("Scheduled", "Ready"),
    Phase.RESTARTING: ("Scheduled", "Ready"),
    Phase.SUCCEEDED: ("Succeeded",),
    Phase.FAILED: ("Failed",),
}
"""The conditions that explain each phase, the first with a message wins."""
