"""Keeps a status below 8 kB, whatever happened to the job.

Everyone who watches jobs reads the status at every write. If it grows too large, the least useful parts
are dropped first. Checkpoints are never dropped, because the job resumes from them.
"""

from collections.abc import Callable, Iterator
from functools import partial

from stargate_types.status import AttemptStatus, StargateJobStatus

LIMIT = 8000
"""Bytes of JSON."""

_KEPT_ATTEMPTS = 3
"""The current one, the previous one, which says why and how long to wait, and one more."""

_KEPT_AVOIDED = 2
"""The cluster's own taint keeps pods off a node that is still lost."""

Sacrifice = Callable[[StargateJobStatus], StargateJobStatus]


def shortened(text: str, limit: int) -> str:
    """The text in at most `limit` bytes of UTF-8. The middle is cut: the failed rank comes first
    in a message, and the error last."""
    encoded = text.encode()
    if len(encoded) <= limit:
        return text
    mark = " … "
    room = limit - len(mark.encode())
    head, tail = room // 3, room - room // 3
    return mark.join(part.decode(errors="ignore") for part in (encoded[:head], encoded[-tail:]))


def size(status: StargateJobStatus) -> int:
    return len(status.model_dump_json(by_alias=True, exclude_none=True).encode())


def fitted(status: StargateJobStatus) -> StargateJobStatus:
    for sacrifice in _sacrifices(len(status.attempts)):
        if size(status) <= LIMIT:
            break
        status = sacrifice(status)
    return status


def _sacrifices(attempts: int) -> Iterator[Sacrifice]:
    yield partial(_shorten_older, limit=100)
    yield partial(_shorten_conditions, limit=200)
    yield partial(_shorten_all, limit=400)
    yield partial(_shorten_older, limit=0)
    yield partial(_with_fewer_avoided, kept=_KEPT_AVOIDED)
    for _ in range(attempts - _KEPT_ATTEMPTS):
        yield _without_oldest
    yield partial(_shorten_all, limit=200)
    yield partial(_shorten_conditions, limit=100)
    yield partial(_shorten_all, limit=100)
    yield partial(_shorten_conditions, limit=50)


def _shorten_older(status: StargateJobStatus, *, limit: int) -> StargateJobStatus:
    older, latest = status.attempts[:-2], status.attempts[-2:]
    return _with_attempts(status, [*(_brief(attempt, limit) for attempt in older), *latest])


def _shorten_all(status: StargateJobStatus, *, limit: int) -> StargateJobStatus:
    return _with_attempts(status, [_brief(each, limit) for each in status.attempts])


def _with_fewer_avoided(status: StargateJobStatus, *, kept: int) -> StargateJobStatus:
    return status.model_copy(update={"avoided_nodes": status.avoided_nodes[:kept]})


def _without_oldest(status: StargateJobStatus) -> StargateJobStatus:
    return _with_attempts(status, status.attempts[1:])


def _shorten_conditions(status: StargateJobStatus, *, limit: int) -> StargateJobStatus:
    found = [
        condition.model_copy(update={"message": shortened(condition.message, limit)})
        for condition in status.conditions
    ]
    return status.model_copy(update={"conditions": found})


def _with_attempts(status: StargateJobStatus, found: list[AttemptStatus]) -> StargateJobStatus:
    return status.model_copy(update={"attempts": found})


def _brief(attempt: AttemptStatus, limit: int) -> AttemptStatus:
    if not attempt.message or len(attempt.message.encode()) <= limit:
        return attempt
    short = shortened(attempt.message, limit) if limit else None
    return attempt.model_copy(update={"message": short})
