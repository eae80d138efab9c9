"""When a rank is to report again.

Rank 0 reports the progress once a second. The others only show that they are alive, and share
the rest of the gang's 100 requests a second: each every max(10 s, others / 99 per second).
Where silence is taken for a hang (spec.hang.reportTimeoutSeconds), every rank is to report three times
within that time; admission refuses a timeout too short for a gang of that size.

A gang starts all at once, so its ranks would report in bursts for ever. Each rank therefore has a
slot of its own within the interval, and each answer names the time of that slot: after the first answer
(0.5 to 1.5 intervals away) the reports of a gang arrive evenly. Jobs are offset against each other.
"""

import zlib

RANK_ZERO_SECONDS = 1.0
SHORTEST_SECONDS = 10.0
REQUESTS_PER_SECOND = 100.0
REPORTS_PER_TIMEOUT = 3


def next_report_seconds(
    job_uid: str, *, rank: int, world_size: int, now: float, report_timeout: float | None = None
) -> float:
    """Seconds from `now` (any clock, the same for all ranks) to the rank's next report."""
    if rank == 0:
        return round(_at_most(RANK_ZERO_SECONDS, report_timeout), 2)
    interval = interval_seconds(world_size, report_timeout)
    offset = zlib.crc32(job_uid.encode()) / 2**32
    slot = (rank / max(world_size, 1) + offset) % 1.0 * interval
    wait = (slot - now) % interval
    return round(wait if wait >= interval / 2 else wait + interval, 2)


def interval_seconds(world_size: int, report_timeout: float | None = None) -> float:
    """How far apart two reports of one rank other than 0 are, once it keeps to its slot."""
    others = max(world_size - 1, 0)
    shortest = _at_most(SHORTEST_SECONDS, report_timeout)
    left = REQUESTS_PER_SECOND - 1 / _at_most(RANK_ZERO_SECONDS, report_timeout)
    return max(shortest, others / left)


def longest_wait(world_size: int, report_timeout: float | None = None) -> float:
    """The longest time that an answer may tell a rank to wait for its slot."""
    return 1.5 * interval_seconds(world_size, report_timeout)


def _at_most(seconds: float, report_timeout: float | None) -> float:
    return seconds if report_timeout is None else min(seconds, report_timeout / REPORTS_PER_TIMEOUT)
