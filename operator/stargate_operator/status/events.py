"""The Kubernetes events for a change of the status. They are recorded once, after the change is written.

An event never holds log lines: anyone who may list events would read them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from stargate_operator.constants import Conditions, Reasons
from stargate_types.status import AttemptStatus, Checkpoint, Condition, Phase, StargateJobStatus


@dataclass(frozen=True)
class JobEvent:
    """One Kubernetes event about a job. The event recorder sends it to the API server."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


def events(before: StargateJobStatus, after: StargateJobStatus) -> list[JobEvent]:
    """In the order in which a reader expects them: what went wrong, what ended, what follows."""
    return [
        *_refusals(before, after),
        *_endings(before, after),
        *_phases(before, after),
        *_checkpoints(before, after),
    ]


def _refusals(before: StargateJobStatus, after: StargateJobStatus) -> Iterator[JobEvent]:
    known = {(each.type, each.reason) for each in before.conditions}
    troubling = {
        Reasons.PODS_REFUSED,
        Reasons.DELETES_REFUSED,
        Reasons.NAME_TAKEN,
        Reasons.CANNOT_START,
    }
    told: set[str] = set()  # several conditions may have one reason
    for condition in after.conditions:
        refused = condition.type == Conditions.ACCEPTED and condition.status == "False"
        fresh = (condition.type, condition.reason) not in known
        troubles = refused or condition.reason in troubling
        if fresh and troubles and condition.reason not in told:
            told.add(condition.reason)
            yield JobEvent("Warning", condition.reason, condition.message)


def _endings(before: StargateJobStatus, after: StargateJobStatus) -> Iterator[JobEvent]:
    ended = {each.number for each in before.attempts if each.end}
    for attempt in after.attempts:
        if attempt.end and attempt.number not in ended and attempt.cause:
            yield _ending(attempt)


def _ending(attempt: AttemptStatus) -> JobEvent:
    who = f" by rank {attempt.rank}" if attempt.rank is not None else ""
    where = f" on {attempt.node}" if attempt.node else ""
    code = f", exit code {attempt.exit_code}" if attempt.exit_code is not None else ""
    fine = attempt.cause in ("Succeeded", "Suspended")
    return JobEvent(
        "Normal" if fine else "Warning",
        "AttemptEnded",
        f"attempt {attempt.number} was ended{who}{where}: {attempt.cause}{code}",
    )


def _phases(before: StargateJobStatus, after: StargateJobStatus) -> Iterator[JobEvent]:
    if not _moved(before, after):
        return
    if before.phase is Phase.SUSPENDED:
        yield JobEvent("Normal", Reasons.RESUMED, "resumed from suspension")
        return
    restored = after.checkpoints and after.checkpoints.restored_from
    position = restored.position if restored else None
    origin = f", resuming from {position}" if position is not None else ""
    size = after.workers.desired if after.workers else 0
    told = {
        Phase.STARTING: JobEvent(
            "Normal", "GangStarting", f"attempt {after.attempt}: creating {size} workers{origin}"
        ),
        Phase.RUNNING: JobEvent(
            "Normal", "GangRunning", f"attempt {after.attempt}: all {size} workers run{origin}"
        ),
        Phase.QUEUED: JobEvent("Normal", "Queued", f"attempt {after.attempt} waits for nodes"),
        Phase.RESTARTING: JobEvent(
            "Normal", "Restarting", f"attempt {after.attempt} starts when the old workers are gone"
        ),
        Phase.SUSPENDED: JobEvent("Normal", "Suspended", "all workers are being stopped"),
        Phase.SUCCEEDED: JobEvent("Normal", "Succeeded", f"all {size} workers succeeded"),
        Phase.FAILED: JobEvent("Warning", "Failed", _failed_because(after.conditions)),
    }
    if after.phase in told:
        yield told[after.phase]


def _moved(before: StargateJobStatus, after: StargateJobStatus) -> bool:
    """True if the phase has changed. An attempt is announced once and started once, even if its phase
    changes back and forth."""
    if after.phase is Phase.STARTING:
        return _begun(after) > _begun(before)
    if after.phase is Phase.RESTARTING:
        return after.attempt > before.attempt
    return before.phase is not after.phase


def _begun(status: StargateJobStatus) -> int:
    """The latest attempt whose pods were to be made."""
    made = [each.number for each in status.attempts if each.accelerator_class is not None]
    return max(made, default=0)


def _failed_because(conditions: list[Condition]) -> str:
    """A fixed text for each reason, because the condition's message may hold log lines."""
    reason = next((each.reason for each in conditions if each.type == Conditions.FAILED), "")
    return _FAILURES.get(reason, reason or "the job failed")


_FAILURES = {
    Reasons.MAX_RESTARTS_EXCEEDED: "more failures since the last checkpoint than"
    " spec.restartPolicy.maxRestarts allows",
    Reasons.DEADLINE_EXCEEDED: "the job was active for longer than spec.activeDeadlineSeconds",
}


def _checkpoints(before: StargateJobStatus, after: StargateJobStatus) -> Iterator[JobEvent]:
    known = {(saved.uri, saved.state) for saved in _history(before)}
    for saved in _history(after):
        if (saved.uri, saved.state) not in known:
            damaged = saved.state == "Damaged"
            yield JobEvent(
                "Warning" if damaged else "Normal",
                Reasons.CHECKPOINT_DAMAGED if damaged else Reasons.CHECKPOINT_COMPLETE,
                f"the checkpoint of {saved.position} is {saved.state.lower()}",
            )


def _history(status: StargateJobStatus) -> list[Checkpoint]:
    return status.checkpoints.history if status.checkpoints else []
