"""The events of the demo's job in order, with their times. Pure.

They are derived from every version of the job's status and from the trainers' events. Times are seconds
since the epoch, by the clock of one machine.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from stargate_lab.workload.training import Json
from stargate_types.status import AttemptStatus, Checkpoint, Phase, StargateJobStatus, Workers

_STAGES: tuple[tuple[str, Callable[[Workers], int]], ...] = (
    ("created", lambda workers: workers.created),
    ("scheduled", lambda workers: workers.scheduled),
    ("running", lambda workers: workers.running + workers.succeeded),
)


@dataclass(frozen=True)
class Entry:
    at: float
    text: str


@dataclass(frozen=True)
class Measured:
    """The time between two moments; None if one of them never came."""

    what: str
    seconds: float | None


@dataclass
class Timeline:
    """`moments` has the first time of each event: "applied", "1 created", "killed" …"""

    moments: dict[str, float] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    status: StargateJobStatus = field(default_factory=StargateJobStatus)

    def note(self, moment: str, at: float, text: str = "") -> None:
        """Records a moment; a second record of the same moment changes nothing."""
        if moment not in self.moments:
            self.moments[moment] = at
            if text:
                self.entries.append(Entry(at, text))

    def add_status(self, status: StargateJobStatus, at: float) -> None:
        before, self.status = self.status, status
        for text in _changes(before, status):
            self.entries.append(Entry(at, text))
        self._note_gang(status, at)
        if status.phase is Phase.SUCCEEDED:
            self.note("succeeded", at)

    def add_event(self, event: Json) -> None:
        """Records an event of the trainers."""
        at, attempt = float(event["time"]), event.get("attempt")
        match event["event"]:
            case "killed":
                rank, epoch, code = event["rank"], event["epoch"], event["exit_code"]
                self.note("killed", at, f"rank {rank} killed at epoch {epoch}, exit code {code}")
            case "exiting":
                self.note(f"{attempt} trained", at, f"attempt {attempt}: all ranks exit with 0")
            case "exited":
                self.note(f"{attempt} exited", at, f"all {event['ranks']:,} exits are reported")
            case "trouble":
                self.entries.append(Entry(at, f"a trainer: {event['message']}"))

    def measured(self) -> list[Measured]:
        spans = [
            ("control plane ready", "begun", "plane"),
            ("fleet registered", "plane", "fleet"),
            ("operator leads and is ready", "fleet", "operator"),
            *_gang_spans("start", "applied", 1),
            ("failure: kill to the next attempt on record", "killed", "2 decided"),
            ("failure: kill to the old gang gone", "killed", "1 gone"),
            *_gang_spans("restart: kill", "killed", 2),
            ("restart: old gang gone to all running", "1 gone", "2 running"),
            ("end: training done to Succeeded", "2 trained", "succeeded"),
            ("job: apply to Succeeded", "applied", "succeeded"),
            ("total", "begun", "succeeded"),
        ]
        return [Measured(what, self._span(start, end)) for what, start, end in spans]

    def _span(self, start: str, end: str) -> float | None:
        if start in self.moments and end in self.moments:
            return self.moments[end] - self.moments[start]
        return None

    def _note_gang(self, status: StargateJobStatus, at: float) -> None:
        number, workers = status.attempt, status.workers
        if not number or workers is None:
            return
        self.note(f"{number} decided", at)
        if status.phase is not Phase.RESTARTING:
            self.note(f"{number - 1} gone", at)  # the old pods are gone before an attempt starts
            self._note_stages(number, workers, at)

    def _note_stages(self, number: int, workers: Workers, at: float) -> None:
        for stage, count in _STAGES:
            if count(workers) == workers.desired:
                text = f"attempt {number}: all {workers.desired:,} workers {stage}"
                self.note(f"{number} {stage}", at, text)


def _gang_spans(what: str, start: str, attempt: int) -> list[tuple[str, str, str]]:
    return [(f"{what} to all {stage}", start, f"{attempt} {stage}") for stage, _ in _STAGES]


def _changes(before: StargateJobStatus, after: StargateJobStatus) -> Iterator[str]:
    if after.phase and after.phase is not before.phase:
        yield f"phase {after.phase}"
    known = {each.number: each for each in before.attempts}
    for attempt in after.attempts:
        yield from _attempt_changes(known.get(attempt.number), attempt)


def _attempt_changes(before: AttemptStatus | None, after: AttemptStatus) -> Iterator[str]:
    if after.cause and (before is None or (before.cause, before.rank) != (after.cause, after.rank)):
        yield f"attempt {after.number} ended: {after.cause}, {after.message or 'no message'}"
    if after.restored_epoch is not None and (before is None or before.restored_epoch is None):
        yield f"attempt {after.number} resumes from epoch {after.restored_epoch}"


def latest_checkpoint(status: StargateJobStatus) -> Checkpoint | None:
    return status.checkpoints.latest if status.checkpoints else None
