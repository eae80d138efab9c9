"""The use of the job's time, and the energy that it drew."""

import pytest

from stargate_operator.model.blueprint import Refusal
from stargate_types.accounting import Energy, Goodput
from stargate_types.status import Cause, Phase, StargateJobStatus, Workers
from tests.kit.builders import (
    GivenJob,
    at,
    attempt,
    checkpoint_report,
    described,
    gang,
    job,
    pod,
    starting_gang,
)


def parts(status: StargateJobStatus) -> tuple[float, float, float, float]:
    found = status.goodput
    assert found is not None
    return (
        found.productive_seconds,
        found.starting_seconds,
        found.lost_seconds,
        found.restarting_seconds,
    )


@pytest.mark.parametrize(
    ("phase", "expected"),
    [
        (Phase.STARTING, (0, 30, 0, 0)),
        (Phase.RUNNING, (30, 0, 0, 0)),
        (Phase.RESTARTING, (0, 0, 0, 30)),
        (Phase.PENDING, (0, 0, 0, 0)),
        (Phase.QUEUED, (0, 0, 0, 0)),
    ],
)
def test_time_counts_for_the_previous_phase(
    phase: Phase, expected: tuple[float, float, float, float]
) -> None:
    given = job().starting().having(phase=phase, accounted_time=at(-30))
    assert parts(described(given, gang(4))) == expected


def test_suspended_time_does_not_count() -> None:
    given = job().suspended().having(accounted_time=at(-30))
    assert parts(described(given)) == (0, 0, 0, 0)


def test_the_first_status_has_no_time_before_it() -> None:
    assert parts(described(job())) == (0, 0, 0, 0)


def test_the_parts_sum_to_the_elapsed_time() -> None:
    given = job()
    given = given.now(described(given, now=at(0)))  # begins
    given = given.now(described(given, gang(4), now=at(40)))  # runs
    given = given.now(
        described(given, gang(4), now=at(100), checkpoints=[checkpoint_report(5, seconds=100)])
    )
    dead = gang(4, pod(1).oom_killed(finished=150))
    given = given.now(described(given, dead, now=at(151)))  # fails at 150
    given = given.now(described(given, [], now=at(160)))  # attempt 2 begins
    second = gang(4, attempt=2)
    given = given.now(described(given, second, now=at(190)))  # runs
    done = [pod(rank, attempt=2).succeeded() for rank in range(4)]
    status = described(given, done, now=at(290))
    assert parts(status) == (60 + 100, 40 + 30, 50, 1 + 9)
    assert sum(parts(status)) == 290
    assert status.goodput is not None
    assert status.goodput.ratio == round(160 / 290, 4)


def test_time_after_an_unseen_failure_is_not_productive() -> None:
    """The operator was down for an hour, and the gang for all but the first minute of it."""
    given = job().running(since=-3600).having(accounted_time=at(-3600))
    status = described(given, gang(4, pod(1).oom_killed(finished=-3540)))
    assert parts(status) == (0, 0, 60, 3540)


def test_nothing_is_lost_by_success_or_deadline() -> None:
    given = job().running(since=-30).having(accounted_time=at(-30))
    done = [pod(rank).succeeded() for rank in range(4)]
    assert parts(described(given, done)) == (30, 0, 0, 0)
    late = given.but(active_deadline_seconds=1)
    assert parts(described(late, gang(4))) == (30, 0, 0, 0)


def test_a_save_during_suspension_is_productive() -> None:
    over = attempt(ran=-90, ended=-10, cause=Cause.SUSPENDED)
    over = over.model_copy(update={"lost_seconds": 80.0})
    spent = Goodput(productive_seconds=0, lost_seconds=80)
    given = job().suspended().having(attempts=[over], goodput=spent, accounted_time=at(-10))
    status = described(given, gang(4), checkpoints=[checkpoint_report(7, seconds=-5)])
    assert parts(status) == (80, 0, 0, 0)
    assert parts(described(given.now(status), gang(4), now=at(5))) == (80, 0, 0, 0)


def drawing(phase: Phase, scheduled: int, *, seconds: float = 3600) -> GivenJob:
    return (
        job()
        .running()
        .having(
            phase=phase,
            accounted_time=at(-seconds),
            workers=Workers(desired=4, scheduled=scheduled),
        )
    )


def kwh(status: StargateJobStatus) -> float:
    assert status.energy is not None
    return status.energy.kwh


def test_energy_is_watts_by_devices_by_time() -> None:
    status = described(drawing(Phase.RUNNING, 4), gang(4))
    assert status.energy == Energy(kwh=16.0, pue=1.0, estimated=True)


def test_energy_is_multiplied_by_the_block_s_pue() -> None:
    assert kwh(described(drawing(Phase.RUNNING, 4), gang(4), pue=1.25)) == 20.0


@pytest.mark.parametrize(
    ("phase", "scheduled", "expected"),
    [(Phase.STARTING, 2, 8.0), (Phase.STARTING, 0, 0.0), (Phase.QUEUED, 2, 0.0)],
)
def test_ranks_draw_power_once_they_have_nodes(
    phase: Phase, scheduled: int, expected: float
) -> None:
    given = drawing(phase, scheduled)
    begun = [each.model_copy(update={"running": None}) for each in given.status.attempts]
    assert kwh(described(given.having(attempts=begun), starting_gang(4))) == expected


def test_without_watts_there_is_no_estimate() -> None:
    gone = Refusal("AcceleratorClassNotFound", "")
    assert described(drawing(Phase.RUNNING, 4), gang(4), blueprint_=gone).energy is None


def test_energy_never_decreases() -> None:
    given = drawing(Phase.RUNNING, 4).having(energy=Energy(kwh=2.5, pue=1.0))
    assert kwh(described(given, gang(4))) == 18.5
