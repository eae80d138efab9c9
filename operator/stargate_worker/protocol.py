"""The protocol between a worker and the operator: what a report holds, and what an answer means.

Pure. An answer is one of five verdicts: Accepted, Retry (the same report may be accepted later),
Refused (never, as it is), JobUnknown and AttemptEnded (the operator accepts nothing more from this
attempt). Only an answer in the operator's own format can be one of the last three: training must not
end because something else answered.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]
State = Literal["Writing", "Complete", "Damaged"]

SHORTEST_INTERVAL, LONGEST_INTERVAL = 0.2, 600.0
_USUAL_INTERVAL = 10.0
_TRANSIENT = frozenset({401, 408, 425, 429})
"""401 too: the kubelet renews the token's file, and the operator's token review may lag."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as a report states it. `size_bytes` is the size of all shards, `step` the number of
    optimizer steps since the training began, where the trainer counts them."""

    epoch: int
    uri: str
    state: State
    size_bytes: int | None = None
    step: int | None = None

    @property
    def wire(self) -> Json:
        """The JSON object of a report."""
        fields: Json = {"epoch": self.epoch, "uri": self.uri, "state": self.state}
        known = {"sizeBytes": self.size_bytes, "step": self.step}
        return fields | {name: value for name, value in known.items() if value is not None}


@dataclass(frozen=True)
class Report:
    """The report of a rank. Everything is optional: an empty report says that the rank is alive.

    `epoch` and `step` count completed ones.
    """

    epoch: int | None = None
    step: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    checkpoint: Checkpoint | None = None

    def encode(self) -> bytes:
        """The body of the request."""
        body: Json = {"epoch": self.epoch, "step": self.step}
        if self.metrics:
            body["metrics"] = [{"name": n, "value": v} for n, v in self.metrics.items()]
        if self.checkpoint is not None:
            body["checkpoint"] = self.checkpoint.wire
        return json.dumps({k: v for k, v in body.items() if v is not None}).encode()


@dataclass(frozen=True)
class Reply:
    """An HTTP answer, from the operator or from anything else. `retry_after` is in seconds."""

    status: int
    body: bytes = b""
    retry_after: float = 0.0


@dataclass(frozen=True)
class Accepted:
    """The report is accepted. `delete` lists URIs of checkpoints that are no longer retained."""

    next_report_seconds: float = _USUAL_INTERVAL
    stop: bool = False
    delete: tuple[str, ...] = ()
    acknowledged: tuple[int, str, str] | None = None

    def acknowledges(self, checkpoint: Checkpoint) -> bool:
        """True if the operator has recorded this checkpoint in this state."""
        return self.acknowledged == (checkpoint.epoch, checkpoint.uri, checkpoint.state)


@dataclass(frozen=True)
class Retry:
    """The same report may be accepted later, after at least `after` seconds."""

    why: str
    after: float = 0.0


@dataclass(frozen=True)
class Refused:
    """The operator will never accept this report as it is."""

    why: str


@dataclass(frozen=True)
class JobUnknown:
    """The operator does not know the job: it is deleted, or the operator has only just started."""

    why: str


@dataclass(frozen=True)
class AttemptEnded:
    """The operator accepts nothing more from this attempt."""

    why: str


Verdict = Accepted | Retry | Refused | JobUnknown | AttemptEnded


def interpret(reply: Reply) -> Verdict:
    """The meaning of an HTTP answer for the report that it answers."""
    answer = _decoded(reply.body)
    if reply.status == 200:
        return Retry("its answer could not be read") if answer is None else _accepted(answer)
    status = answer if answer and answer.get("kind") == "Status" else {}
    why = f"{reply.status} {status.get('reason', '')}: {status.get('message', 'no reason given')}"
    match reply.status, status.get("reason"):
        case 409, "StaleAttempt":
            return AttemptEnded(str(status.get("message", why)))
        case 404, "NotFound":
            return JobUnknown(str(status.get("message", why)))
    if status and 400 <= reply.status < 500 and reply.status not in _TRANSIENT:
        return Refused(why)
    return Retry(why, after=reply.retry_after)


def _decoded(body: bytes) -> Json | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _accepted(answer: Json) -> Accepted:
    """Ignores fields that it does not know: the operator may be newer than this library."""
    return Accepted(
        next_report_seconds=_interval(answer.get("nextReportSeconds")),
        stop=answer.get("stop") is True,
        delete=_texts(answer.get("delete")),
        acknowledged=_acknowledged(answer.get("acknowledged")),
    )


def _interval(value: object) -> float:
    usable = isinstance(value, int | float) and math.isfinite(value)
    seconds = float(value) if usable else _USUAL_INTERVAL  # type: ignore[arg-type]
    return min(max(seconds, SHORTEST_INTERVAL), LONGEST_INTERVAL)


def _texts(value: object) -> tuple[str, ...]:
    return tuple(text for text in value if isinstance(text, str)) if isinstance(value, list) else ()


def _acknowledged(value: object) -> tuple[int, str, str] | None:
    match value:
        case {"epoch": int(epoch), "uri": str(uri), "state": str(state)}:
            return epoch, uri, state
    return None
