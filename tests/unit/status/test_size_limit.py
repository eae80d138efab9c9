"""A status stays within 8 kB, whatever happened to the job."""

from datetime import datetime

import pytest

from stargate_operator.model.reports import ProgressReport
from stargate_operator.status.size_limit import LIMIT, fitted, size
from stargate_operator.status.urgency import Urgency, urgency
from stargate_types.accounting import Energy, Goodput
from stargate_types.status import (
    AttemptStatus,
    AvoidedNode,
    Cause,
    Checkpoint,
    Checkpoints,
    Condition,
    Metric,
    Phase,
    Progress,
    RestoredFrom,
    StargateJobStatus,
    Workers,
)
from tests.kit.builders import (
    NOW,
    GivenJob,
    at,
    described,
    gang,
    job,
    pod,
    starting_gang,
)

MICROS = datetime(2026, 12, 31, 23, 59, 59, 999_999, tzinfo=NOW.tzinfo)
WORDS = '\u001b[31mTraceback "most recent"\n\tFile "/opt/trainer/loop.py", line 4711\u001b[0m '


def place(epoch: int) -> str:
    return f"s3://stargate-checkpoints/{'x' * 100}/attempt-10/epoch-{epoch}".ljust(150, "y")


def worst(*, attempts: int = 10, kept: int = 10, message: str = WORDS * 12) -> StargateJobStatus:
    """5,000 ranks, full histories, long messages, realistic URIs."""
    history = [
        Checkpoint(
            epoch=9990 + n,
            step=123_456_789,
            uri=place(9990 + n),
            time=MICROS,
            size_bytes=12_345_678_901_234,
            state="Complete",
            attempt=10,
        )
        for n in reversed(range(kept))
    ]
    return StargateJobStatus(
        observed_generation=99,
        phase=Phase.RESTARTING,
        conditions=[
            Condition(
                type=kind,
                status="False",
                reason="AcceleratorClassNotFound",
                message="0/5000 nodes are available: 5000 Insufficient devices. " * 9,
                observed_generation=99,
                last_transition_time=NOW,
            )
            for kind in ("Accepted", "Scheduled", "Ready", "Suspended")
        ],
        workers=Workers(
            desired=5000,
            created=5000,
            scheduled=5000,
            running=5000,
            ready=5000,
            succeeded=5000,
            failed=5000,
        ),
        attempt=1000,
        restarts=999,
        failures_since_checkpoint=10,
        progress=Progress(
            epoch=9999,
            epochs=10_000,
            step=123_456_789,
            total_steps=234_567_890,
            steps_per_second=1.234e-05,
            percent=99.99,
            estimated_remaining_seconds=1_000_000,
            metrics=[Metric(name=f"metric/of/this/trainer/{n}", value=0.1 / 3) for n in range(16)],
            last_report_time=MICROS,
        ),
        checkpoints=Checkpoints(
            latest=history[0],
            history=history,
            restored_from=RestoredFrom(epoch=9990, step=123_456_789, uri=place(9990)),
        ),
        attempts=[
            AttemptStatus(
                number=991 + n,
                start=MICROS,
                running=MICROS,
                end=MICROS,
                cause=Cause.CHECKPOINT_DAMAGED,
                rank=4999,
                node="ip-10-123-123-123.eu-central-1.compute.internal",
                exit_code=137,
                message=message,
                restored_epoch=9990,
                restored_step=123_456_789,
                lost_seconds=12345.678,
                world_size=5000,
                runtime="default/8d2b5c1e-0000-4000-8000-00000000cafe/12",
                accelerator_class="stargate-silicon-v2/8d2b5c1e-0000-4000-8000-00000000cafe/12",
            )
            for n in range(attempts)
        ],
        avoided_nodes=[
            AvoidedNode(name=f"ip-10-123-{n}-123.eu-central-1.compute.internal", until=NOW)
            for n in range(8)
        ],
        goodput=Goodput(
            productive_seconds=1234567.891,
            starting_seconds=1234567.891,
            lost_seconds=1234567.891,
            restarting_seconds=1234567.891,
            ratio=0.9999,
        ),
        energy=Energy(kwh=1_234_567.123456, pue=1.25),
        start_time=NOW,
        accounted_time=MICROS,
    )


def test_the_largest_status_fits() -> None:
    status = worst()
    assert size(status) > 2 * LIMIT
    assert size(fitted(status)) <= LIMIT


def test_checkpoints_conditions_and_current_attempt_are_kept() -> None:
    status, found = worst(), fitted(worst())
    assert found.checkpoints == status.checkpoints
    assert [each.type for each in found.conditions] == [each.type for each in status.conditions]
    assert found.attempts[-1].number == status.attempts[-1].number
    assert len(found.attempts) >= 3
    assert found.progress == status.progress


def test_an_ordinary_long_life_keeps_all_ten_attempts() -> None:
    said = "rank 1742 on ip-10-123-123-123.eu-central-1.compute.internal exited with 1"
    status = worst(kept=3, message=said)
    status = status.model_copy(update={"conditions": [], "avoided_nodes": []})
    assert len(fitted(status).attempts) == 10


def test_a_status_that_fits_is_unchanged() -> None:
    status = worst(attempts=1, kept=2, message="short")
    assert fitted(status) is status


def test_a_fitted_status_is_stable() -> None:
    once = fitted(worst())
    assert fitted(once) is once


@pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.STARTING])
def test_a_fitted_status_is_not_written_again(phase: Phase) -> None:
    given = GivenJob.model_validate(job(nodes=4).model_dump())
    stuck = worst()
    last = stuck.attempts[-1].model_copy(
        update={"end": None, "cause": None, "world_size": 4, "message": None}
        | ({"running": None} if phase is Phase.STARTING else {})
    )
    given = given.now(
        stuck.model_copy(update={"phase": phase, "attempts": [*stuck.attempts[:-1], last]})
    )
    pods = (
        gang(4, attempt=1000)
        if phase is Phase.RUNNING
        else starting_gang(4, pod(1, attempt=1000).unschedulable("none " * 300), attempt=1000)
    )
    wrote = []
    for second in range(5):
        status = described(given, pods, now=at(second + 0.123))
        assert size(status) <= LIMIT
        wrote.append(urgency(given.status, status) is not Urgency.NOTHING)
        given = given.now(status) if wrote[-1] else given
    assert wrote[1:] == [False] * 4


def test_a_life_of_failures_stays_within_the_limit() -> None:
    """Ten attempts that ended in a traceback, a checkpoint and sixteen metrics in between."""
    given = job(nodes=4, retain=10, max_restarts=1000)
    second = 0
    for number in range(1, 30):
        given = given.now(described(given, now=at(second := second + 400)))
        running = gang(4, attempt=number)
        given = given.now(described(given, running, now=at(second := second + 1)))
        report = ProgressReport(
            attempt=number,
            rank=0,
            epoch=number,
            step=number,
            metrics=tuple((f"metric/of/this/trainer/{n}", 0.1 / 3) for n in range(16)),
            at=at(second),
        )
        given = given.now(described(given, running, now=at(second), progress=report))
        dead = gang(4, pod(2, attempt=number).oom_killed(finished=second, log=WORDS * 30))
        dead = [each.but(attempt=number) for each in dead if isinstance(each, type(pod()))]
        given = given.now(described(given, dead, now=at(second := second + 1)))
        assert size(given.status) <= LIMIT
    assert given.status.restarts == 29
    assert len(given.status.attempts) == 10
