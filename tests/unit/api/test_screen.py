"""Whole screens of the command line, compared with the files in `tests/unit/api/screens`.

A changed screen fails here with the difference. Check it, then write the files again:
`STARGATE_WRITE_SCREENS=1 make test ARGS=tests/unit/api/test_screen.py`.
"""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from stargate_api import Answer, AvailableCompute, BlockAnswer, Feasibility, JobStatus, Reason
from stargate_api.cli import output
from stargate_api.cli.humanize import CAUSES, duration, one_line, size
from stargate_api.cli.screen import screen
from stargate_api.cli.tables import blocks, columns, feasibility, jobs
from stargate_types.status import Cause
from tests.unit.api.scripted_server import block, job, progress

SCREENS = Path(__file__).parent / "screens"
NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
URI = "stargate_storage://checkpoints/team/job-71a0bc26/attempt-2"


def condition(kind: str, holds: bool, reason: str, message: str, at: str = "11:40:00") -> Any:
    return {
        "type": kind,
        "status": str(holds),
        "reason": reason,
        "message": message,
        "lastTransitionTime": f"2026-03-01T{at}Z",
    }


def workers(desired: int = 5000, **counts: int) -> dict[str, int]:
    return {"desired": desired, **counts}


def checkpoint(epoch: int, at: str, state: str = "Complete") -> dict[str, Any]:
    time = f"2026-03-01T{at}Z"
    uri = f"{URI}/epoch-{epoch}"
    return {"epoch": epoch, "uri": uri, "time": time, "state": state, "sizeBytes": 73014444032}


def given(name: str, **status: Any) -> JobStatus:
    found = job(name, **status)
    found["metadata"]["creationTimestamp"] = "2026-03-01T10:56:48Z"
    return JobStatus(found)


ENDED = {
    "number": 1,
    "start": "2026-03-01T10:56:48.100000Z",
    "running": "2026-03-01T10:57:30.000000Z",
    "end": "2026-03-01T11:38:30.000000Z",
    "cause": "OOMKilled",
    "rank": 2,
    "node": "node-00017",
    "exitCode": 137,
    "message": "rank 2 on node-00017 ran out of memory and was killed (exit 137): loss 2.31\n"
    "step 41200 loss 2.31\nstep 41201 loss 2.30\nallocating 12.4 GiB for activations",
    "lostSeconds": 241.0,
    "worldSize": 5000,
}
CURRENT = {
    "number": 2,
    "start": "2026-03-01T11:38:31.000000Z",
    "running": "2026-03-01T11:39:20.000000Z",
    "restoredEpoch": 40,
    "worldSize": 5000,
}
RUNNING = given(
    "materia",
    phase="Running",
    attempt=2,
    restarts=1,
    attempts=[ENDED, CURRENT],
    workers=workers(created=5000, scheduled=5000, running=5000, ready=5000),
    progress=progress(
        57,
        estimatedRemainingSeconds=3900,
        lastReportTime="2026-03-01T11:59:52.000000Z",
        metrics=[{"name": "loss", "value": 0.5321}, {"name": "tokens_per_second", "value": 31250}],
    ),
    checkpoints={
        "latest": checkpoint(55, "11:57:00"),
        "history": [
            checkpoint(55, "11:57:00"),
            checkpoint(50, "11:53:00"),
            checkpoint(45, "11:49:00", "Damaged"),
        ],
    },
    goodput={
        "productiveSeconds": 3420,
        "startingSeconds": 91,
        "lostSeconds": 241,
        "restartingSeconds": 12,
        "ratio": 0.9086,
    },
    energy={"kwh": 29400.5, "pue": 1.2},
    conditions=[
        condition("Accepted", True, "Accepted", "the job can run on this cluster", "10:56:48"),
        condition("Suspended", False, "Resumed", "spec.suspend is false"),
        condition("Scheduled", True, "GangScheduled", "every rank has a node"),
        condition("Ready", True, "AllRanksRunning", "every rank runs or has succeeded"),
    ],
)
NO_CLASS = "no AcceleratorClass states 'silicon_v3'; there are stargate_silicon_v2"
PENDING = given(
    "waiting",
    phase="Pending",
    attempt=0,
    workers=workers(),
    conditions=[
        condition("Accepted", False, "AcceleratorClassNotFound", NO_CLASS),
        condition("Scheduled", False, "AcceleratorClassNotFound", NO_CLASS),
        condition("Ready", False, "AcceleratorClassNotFound", NO_CLASS),
    ],
)
STARTING = given(
    "starting",
    phase="Starting",
    workers=workers(created=5000, scheduled=3120, running=1200),
    attempts=[{"number": 1, "start": "2026-03-01T11:59:30Z", "worldSize": 5000}],
    conditions=[
        condition("Scheduled", False, "WaitingForNodes", "0/5000 nodes are available: too few"),
        condition("Ready", False, "NotAllRanksRunning", "not every rank runs yet"),
    ],
)
FAILED = given(
    "failed",
    phase="Failed",
    attempts=[ENDED],
    workers=workers(failed=1),
    completionTime="2026-03-01T11:38:31Z",
    progress=progress(12),
    conditions=[
        condition("Failed", True, "MaxRestartsExceeded", "1 failure since the last checkpoint"),
        condition("Ready", False, "MaxRestartsExceeded", "the job has finished"),
    ],
)
SUSPENDING = given(
    "suspending",
    phase="Suspended",
    workers=workers(created=5000, scheduled=5000, running=5000, ready=5000),
    conditions=[condition("Suspended", False, "Suspending", "spec.suspend is true")],
)


def pretraining(found: JobStatus) -> JobStatus:
    """The job with one epoch of two million steps."""
    spec = {**found.manifest["spec"], "epochs": 1, "steps": 2_000_000}
    return JobStatus({**found.manifest, "spec": spec})


STEPS = given(
    "pretraining",
    phase="Running",
    attempt=2,
    restarts=1,
    attempts=[ENDED, {**CURRENT, "restoredEpoch": 0, "restoredStep": 120_000}],
    workers=workers(created=5000, scheduled=5000, running=5000, ready=5000),
    progress=progress(
        0,
        epochs=1,
        step=150_500,
        totalSteps=2_000_000,
        percent=7.53,
        stepsPerSecond=3.171,
        estimatedRemainingSeconds=583_000,
    ),
    checkpoints={
        "latest": {**checkpoint(0, "11:57:00"), "step": 150_000},
        "history": [
            {**checkpoint(0, "11:57:00"), "step": 150_000, "uri": f"{URI}/epoch-0-step-150000"},
            {**checkpoint(0, "11:53:00"), "step": 140_000},
            {**checkpoint(0, "11:49:00", "Damaged"), "step": 130_000},
        ],
    },
)
STEPS = pretraining(STEPS)
NEW = JobStatus({**job("new"), "status": {}})


def plain(found: Any) -> str:
    console = Console(width=100, color_system=None, force_terminal=False)
    with console.capture() as captured:
        console.print(screen(found, NOW))
    return "".join(f"{line.rstrip()}\n" for line in captured.get().splitlines())


def looks_as_before(name: str, text: str) -> None:
    path = SCREENS / f"{name}.txt"
    if os.environ.get("STARGATE_WRITE_SCREENS"):
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("running", RUNNING),
        ("steps", STEPS),
        ("pending", PENDING),
        ("starting", STARTING),
        ("failed", FAILED),
        ("suspending", SUSPENDING),
        ("new", NEW),
    ],
)
def test_job_screen_matches_its_file(name: str, status: JobStatus) -> None:
    looks_as_before(name, plain(status))


@pytest.mark.parametrize("wide", [False, True])
def test_job_table_matches_its_file(wide: bool) -> None:
    table = jobs([RUNNING, STEPS, PENDING, STARTING, FAILED, NEW], NOW, wide=wide, namespaces=wide)
    looks_as_before("list-wide" if wide else "list", "\n".join(columns(table)) + "\n")


@pytest.mark.parametrize("wide", [False, True])
def test_block_table_matches_its_file(wide: bool) -> None:
    found = [block("pod-a", latency=2.5, silicon=7, other=1), block("pod-b", silicon=0)]
    found.append({"metadata": {"name": "uncounted"}, "spec": {"bandwidthGbps": 400, "pue": 1.1}})
    table = blocks(map(AvailableCompute, found), NOW, wide=wide)
    looks_as_before("blocks-wide" if wide else "blocks", "\n".join(columns(table)) + "\n")


FAR = Reason(
    "LatencyTooHigh",
    "spec.scheduling.placement.maxLatencyMs: 8 ms > 5 ms",
    "spec.scheduling.placement.maxLatencyMs",
    5,
    8,
)
FULL = Reason(
    "NotEnoughFree",
    "spec.resourceAllocation.nodes: room for 96 of 100 workers now, for 120 if nothing else ran",
    "spec.resourceAllocation.nodes",
    100,
    96,
)
ANSWERS = {
    "check-yes": Feasibility(
        Answer.YES,
        blocks=(BlockAnswer("row-a", Answer.YES, room=120, capacity=120),),
        assumptions=("that all these nodes have one value of the label rack",),
    ),
    "check-not-now": Feasibility(
        Answer.NOT_NOW,
        (FULL,),
        (
            BlockAnswer("hall-2", Answer.NEVER, (FAR,)),
            BlockAnswer("row-a", Answer.NOT_NOW, (FULL,), 96, 120),
        ),
    ),
    "check-never": Feasibility(Answer.NEVER, (FAR,)),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_check_output_matches_its_file(name: str) -> None:
    looks_as_before(name, "\n".join(feasibility(ANSWERS[name])) + "\n")


def test_pipe_output_is_one_line() -> None:
    assert one_line(RUNNING) == (
        "Running, epoch 57 of 100 (57 %), checkpoint 55, 5,000 of 5,000 nodes run, attempt 2"
    )
    assert one_line(STEPS) == (
        "Running, epoch 0 of 1, step 150,500 of 2,000,000 (7.53 %), checkpoint 0 step 150,000,"
        " 5,000 of 5,000 nodes run, attempt 2"
    )
    assert one_line(PENDING) == f"Pending, 0 of 5,000 nodes run, {NO_CLASS}"
    assert one_line(FAILED) == "Failed, epoch 12 of 100 (12 %)"


def test_every_cause_has_a_phrase() -> None:
    assert set(Cause) <= set(CAUSES)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0s"), (59.6, "1m"), (61, "1m 1s"), (3600, "1h"), (90_061, "1d 1h"), (-3, "0s")],
)
def test_duration_has_at_most_two_units(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(("count", "words"), [(900, "900 B"), (73014444032, "68 GiB")])
def test_size_uses_binary_units(count: int, words: str) -> None:
    assert size(count) == words


HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b1mhello\x7f"


@pytest.mark.parametrize("terminal", [True, False])
def test_control_characters_of_a_job_are_escaped(
    terminal: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everyone who may write a job, or a line into its log, chooses this text."""
    monkeypatch.setattr(
        output,
        "_console",
        lambda **_: Console(force_terminal=terminal, color_system=None, width=100),
    )
    told = job("evil", attempts=[{**ENDED, "message": f"rank 2 ended: {HOSTILE}\n{HOSTILE}"}])
    found = JobStatus({**told, "spec": {**told["spec"], "modelName": HOSTILE}})

    output.job(found)
    output.jobs([found], wide=True, namespaces=False)
    output.text(HOSTILE)
    output.hint(HOSTILE)
    output.failure(HOSTILE)

    said = "".join(capsys.readouterr())
    assert said.count("hello") >= 6
    assert not set(said) & {*map(chr, range(32)), *map(chr, range(0x7F, 0xA0))} - {"\n"}
