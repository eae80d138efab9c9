"""When a rank is to report again.

Rank 0 carries the progress: once a second. The others only show that they are alive, and share
what is left of the gang's 100 requests a second: each every max(10 s, others / 99 per second).

A gang starts all at once, so its ranks would report in bursts for ever. Each rank therefore has a
slot of its own within the interval, and is told to come back at its slot: after the first answer
(0.5 to 1.5 intervals away) the reports of a gang arrive evenly. Jobs are offset against each other.
"""

import zlib

RANK_ZERO_SECONDS = 1.0
SHORTEST_SECONDS = 10.0
REQUESTS_PER_SECOND = 100.0


def next_report_seconds(job_uid: str, *, rank: int, world_size: int, now: float) -> float:
    """Seconds from `now` (any clock, the same for all ranks) to the rank's next report."""
    if rank == 0:
        return RANK_ZERO_SECONDS
    interval = interval_seconds(world_size)
    offset = zlib.crc32(job_uid.encode()) / 2**32
    slot = (rank / max(world_size, 1) + offset) % 1.0 * interval
    wait = (slot - now) % interval
    return round(wait if wait >= interval / 2 else wait + interval, 2)


def interval_seconds(world_size: int) -> float:
    """How far apart two reports of one rank other than 0 are, once it keeps to its slot."""
    others = max(world_size - 1, 0)
    return max(SHORTEST_SECONDS, others / (REQUESTS_PER_SECOND - 1 / RANK_ZERO_SECONDS))
