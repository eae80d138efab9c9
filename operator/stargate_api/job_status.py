"""A job as the cluster tells of it: the article's mapping, with typed attributes beside.

`status["state"]` and `status.get("progress")` read as in the article; a key is absent while nothing
is known, so that `.get` has its meaning. Nothing is computed here that the resource does not say.
"""

import copy
from datetime import datetime
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from stargate_api.exchange import Json
from stargate_api.telling import Telling
from stargate_types import StargateJob
from stargate_types.status import (
    AttemptStatus,
    Checkpoint,
    Condition,
    Energy,
    Goodput,
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
    "estimated_remaining_seconds",
    "metrics",
    "checkpoint_epoch",
    "checkpoint_uri",
    "attempt",
    "restarts",
    "nodes",
    "nodes_running",
    "start_time",
    "completion_time",
)


class JobStatus(Telling):
    """One moment of a job. `manifest` is the whole resource as the server sent it."""

    keys_told = _KEYS

    def __init__(self, manifest: Json) -> None:
        self.manifest = manifest
        self.job = _read(manifest)

    def __repr__(self) -> str:
        progress = f" {self.progress:g} %" if self.progress is not None else ""
        return f"<JobStatus {self.job_id} {self.state}{progress}>"

    @property
    def job_id(self) -> str:
        return self.job.key

    @property
    def name(self) -> str:
        return self.job.metadata.name

    @property
    def namespace(self) -> str:
        return self.job.metadata.namespace

    @property
    def phase(self) -> Phase:
        """Pending until the operator has seen the job."""
        return self.job.status.phase or Phase.PENDING

    @property
    def state(self) -> str:
        """The phase, as text."""
        return str(self.phase)

    @property
    def finished(self) -> bool:
        """Nothing will change any more."""
        return self.phase.finished

    @property
    def progress(self) -> float | None:
        """Epochs completed, in percent; None before the first report."""
        return self.job.status.progress.percent if self.job.status.progress else None

    @property
    def epoch(self) -> int | None:
        return self.job.status.progress.epoch if self.job.status.progress else None

    @property
    def epochs(self) -> int:
        return self.job.spec.epochs

    @property
    def estimated_remaining_seconds(self) -> int | None:
        progress = self.job.status.progress
        return progress.estimated_remaining_seconds if progress else None

    @property
    def metrics(self) -> dict[str, float] | None:
        """The trainer's own numbers, such as loss."""
        progress = self.job.status.progress
        told = {each.name: each.value for each in progress.metrics} if progress else {}
        return told or None

    @cached_property
    def checkpoint(self) -> Checkpoint | None:
        """The newest that the job would resume from."""
        checkpoints = self.job.status.checkpoints
        history = checkpoints.history if checkpoints else []
        return next((each for each in history if each.state == "Complete"), None)

    @property
    def checkpoint_epoch(self) -> int | None:
        return self.checkpoint.epoch if self.checkpoint else None

    @property
    def checkpoint_uri(self) -> str | None:
        return self.checkpoint.uri if self.checkpoint else None

    @property
    def attempt(self) -> int:
        return self.job.status.attempt

    @property
    def attempts(self) -> list[AttemptStatus]:
        """The last ones, oldest first."""
        return self.job.status.attempts

    @property
    def restarts(self) -> int:
        return self.job.status.restarts

    @property
    def workers(self) -> Workers:
        return self.job.status.workers or Workers()

    @property
    def nodes(self) -> int:
        return self.job.current_world_size

    @property
    def nodes_running(self) -> int:
        return self.workers.running

    @property
    def conditions(self) -> dict[str, Condition]:
        """By type."""
        return {each.type: each for each in self.job.status.conditions}

    @property
    def goodput(self) -> Goodput | None:
        return self.job.status.goodput

    @property
    def energy(self) -> Energy | None:
        return self.job.status.energy

    @property
    def start_time(self) -> datetime | None:
        return self.job.status.start_time

    @property
    def completion_time(self) -> datetime | None:
        return self.job.status.completion_time

    @property
    def message(self) -> str | None:
        """Why the job is in this state, in the operator's words."""
        for kind in _TELLING.get(self.phase, ()):
            condition = self.conditions.get(kind)
            if condition and condition.message and condition.status == _TELLS_WHEN[kind]:
                return condition.message
        return None


def _read(manifest: Json) -> StargateJob:
    """What an operator newer than this client says, and it cannot know, counts as unsaid."""
    try:
        return StargateJob.model_validate(manifest)
    except ValidationError as error:
        known = copy.deepcopy(manifest)
        for each in error.errors():
            _forget(known, each["loc"])
    return StargateJob.model_validate(known)


def _forget(within: Any, place: tuple[int | str, ...]) -> None:
    *above, last = place
    for part in above:
        within = within[part]
    if isinstance(within, dict):
        within.pop(last, None)


_TELLS_WHEN = dict.fromkeys(("Accepted", "Scheduled", "Ready"), "False") | dict.fromkeys(
    ("Succeeded", "Failed"), "True"
)
_WAITING = ("Accepted", "Scheduled", "Ready")
_TELLING: dict[Phase, tuple[str, ...]] = {
    Phase.PENDING: _WAITING,
    Phase.QUEUED: _WAITING,
    Phase.STARTING: ("Scheduled", "Ready"),
    Phase.RESTARTING: ("Scheduled", "Ready"),
    Phase.SUCCEEDED: ("Succeeded",),
    Phase.FAILED: ("Failed",),
}
"""Which conditions say why a job is where it is, the most telling first."""
