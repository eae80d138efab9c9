"""The time from a fault until the job trains again, measured from recorded writes, and its table.

`python -m tests.e2e.recovery` writes the rows of the last run into docs/recovery.md.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from stargate_lab.host.paths import REPO, RUN_DIR
from tests.kit.recorder.history import Job, Write
from tests.kit.story import JobStory

ROWS = RUN_DIR / "e2e" / "recovery.jsonl"
PAGE = REPO / "docs" / "recovery.md"
BEGIN = "<!-- `make e2e && make recovery` writes from here -->"
END = "<!-- to here -->"


@dataclass(frozen=True)
class Recovery:
    """Times are in seconds after the fault. `detected`: the operator has written the end of the attempt.
    `training`: rank 0 has reported a step of the new attempt. `lost`: epochs that are trained twice."""

    fault: str
    training_of: str
    cause: str
    detected: float
    training: float
    lost: int
    resumed: int


def measured(
    job: JobStory, struck: float, *, fault: str, training: str, attempts: int = 1
) -> Recovery:
    """`attempts`: how many attempts after the fault's attempt the job trains again."""
    writes = [write for write in job.story.recorder.writes() if write.uid == job.uid]
    return from_writes(writes, struck, fault=fault, training=training, attempts=attempts)


def from_writes(
    writes: list[Write], struck: float, *, fault: str, training: str, attempts: int = 1
) -> Recovery:
    """`writes` are the writes of one job."""
    before = [each.job for each in writes if each.job and each.at <= struck]
    number = before[-1].attempt
    after = [write for write in writes if write.at > struck]
    ended = next(write for write in after if _ending(write, number))
    last_ended = next(write for write in after if _ending(write, number + attempts - 1))
    resumed, at = _resumed(after, number + attempts, since=last_ended.at)
    return Recovery(
        fault=fault,
        training_of=training,
        cause=str(resumed.attempts[-2]["cause"]),
        detected=round(ended.at - struck, 1),
        training=round(at - struck, 1),
        lost=max(_epoch(job) for job in _of_attempt(writes, number)) - _restored(resumed),
        resumed=_restored(resumed),
    )


def record(row: Recovery) -> None:
    ROWS.parent.mkdir(parents=True, exist_ok=True)
    with ROWS.open("a") as file:
        file.write(json.dumps(asdict(row)) + "\n")


def load(file: Path = ROWS) -> list[Recovery]:
    return [Recovery(**json.loads(line)) for line in file.read_text().splitlines()]


def table(rows: list[Recovery]) -> str:
    head = ["fault", "training", "cause", "detected, s", "training again, s", "epochs lost"]
    body = [
        [r.fault, r.training_of, r.cause, f"{r.detected:.1f}", f"{r.training:.1f}", str(r.lost)]
        for r in rows
    ]
    widths = [max(len(row[i]) for row in (head, *body)) for i in range(len(head))]
    lines = [head, ["-" * width for width in widths], *body]
    return "\n".join(
        "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    )


def with_table(page: str, text: str) -> str:
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} lacks its marks {BEGIN} and {END}")
    return f"{head}{begin}\n\n{text}\n\n{end}{tail}"


def _ending(write: Write, number: int) -> bool:
    return write.job is not None and bool(_attempt(write.job, number).get("end"))


def _resumed(writes: list[Write], number: int, *, since: float) -> tuple[Job, float]:
    """The first status with a step of that attempt, and the time of the step's report.

    The first statuses of a new attempt still hold the last report of the previous one. Report times are
    rounded down to the second, and a report is written a little later.
    """
    for write in writes:
        job = write.job
        if job is not None and job.attempt == number and _steps_since(job, since):
            return job, min(write.at, _last_report(job) + 1.0)
    raise AssertionError(f"attempt {number} has never reported a step")


def _steps_since(job: Job, since: float) -> bool:
    progress = job.status.get("progress") or {}
    return progress.get("step") is not None and _last_report(job) > since


def _of_attempt(writes: list[Write], number: int) -> Iterator[Job]:
    return (write.job for write in writes if write.job and write.job.attempt == number)


def _attempt(job: Job, number: int) -> dict[str, object]:
    return next((each for each in job.attempts if each["number"] == number), {})


def _epoch(job: Job) -> int:
    return int((job.status.get("progress") or {}).get("epoch", 0))


def _restored(job: Job) -> int:
    return int((job.restored_from or {}).get("epoch", 0))


def _last_report(job: Job) -> float:
    return datetime.fromisoformat(job.status["progress"]["lastReportTime"]).timestamp()


def main() -> None:
    PAGE.write_text(with_table(PAGE.read_text(), table(load())))
    print(f"{len(load())} rows written to {PAGE.relative_to(REPO)}")


if __name__ == "__main__":
    main()
