"""The words between a worker and the operator: what a report says, and what an answer means.

Pure. An answer is one of five: Taken, Again (the same report may be taken later), Refused (never,
as it stands), Gone (the job is not known) and Over (nothing more is wanted of this attempt). Only
what the operator itself says in its own words can be one of the last three: training must not end
because something else answered.
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
"""401 too: a token is renewed in its file, and the operator's own review may be behind."""


@dataclass(frozen=True)
class Checkpoint:
    epoch: int
    uri: str
    state: State
    size_bytes: int | None = None

    @property
    def wire(self) -> Json:
        told = {"epoch": self.epoch, "uri": self.uri, "state": self.state}
        return told if self.size_bytes is None else told | {"sizeBytes": self.size_bytes}


@dataclass(frozen=True)
class Report:
    """Everything is optional: an empty report says that the rank is alive."""

    epoch: int | None = None
    step: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    checkpoint: Checkpoint | None = None

    def encode(self) -> bytes:
        told: Json = {"epoch": self.epoch, "step": self.step}
        if self.metrics:
            told["metrics"] = [{"name": n, "value": v} for n, v in self.metrics.items()]
        if self.checkpoint is not None:
            told["checkpoint"] = self.checkpoint.wire
        return json.dumps({k: v for k, v in told.items() if v is not None}).encode()


@dataclass(frozen=True)
class Reply:
    """An HTTP answer, whoever gave it."""

    status: int
    body: bytes = b""
    retry_after: float = 0.0


@dataclass(frozen=True)
class Taken:
    next_report_seconds: float = _USUAL_INTERVAL
    stop: bool = False
    delete: tuple[str, ...] = ()
    acknowledged: tuple[int, str, str] | None = None

    def acknowledges(self, checkpoint: Checkpoint) -> bool:
        return self.acknowledged == (checkpoint.epoch, checkpoint.uri, checkpoint.state)


@dataclass(frozen=True)
class Again:
    why: str
    after: float = 0.0


@dataclass(frozen=True)
class Refused:
    why: str


@dataclass(frozen=True)
class Gone:
    """The job is not known. For good, unless an operator has just started and not seen it yet."""

    why: str


@dataclass(frozen=True)
class Over:
    why: str


Verdict = Taken | Again | Refused | Gone | Over


def judge(reply: Reply) -> Verdict:
    said = _decoded(reply.body)
    if reply.status == 200:
        return Again("its answer could not be read") if said is None else _taken(said)
    status = said if said and said.get("kind") == "Status" else {}
    why = f"{reply.status} {status.get('reason', '')}: {status.get('message', 'no reason given')}"
    match reply.status, status.get("reason"):
        case 409, "StaleAttempt":
            return Over(str(status.get("message", why)))
        case 404, "NotFound":
            return Gone(str(status.get("message", why)))
    if status and 400 <= reply.status < 500 and reply.status not in _TRANSIENT:
        return Refused(why)
    return Again(why, after=reply.retry_after)


def _decoded(body: bytes) -> Json | None:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _taken(said: Json) -> Taken:
    """Lenient: an operator that is newer than this library says more, never less."""
    return Taken(
        next_report_seconds=_interval(said.get("nextReportSeconds")),
        stop=said.get("stop") is True,
        delete=_texts(said.get("delete")),
        acknowledged=_acknowledged(said.get("acknowledged")),
    )


def _interval(said: object) -> float:
    usable = isinstance(said, int | float) and math.isfinite(said)
    seconds = float(said) if usable else _USUAL_INTERVAL  # type: ignore[arg-type]
    return min(max(seconds, SHORTEST_INTERVAL), LONGEST_INTERVAL)


def _texts(said: object) -> tuple[str, ...]:
    return tuple(each for each in said if isinstance(each, str)) if isinstance(said, list) else ()


def _acknowledged(said: object) -> tuple[int, str, str] | None:
    match said:
        case {"epoch": int(epoch), "uri": str(uri), "state": str(state)}:
            return epoch, uri, state
    return None
