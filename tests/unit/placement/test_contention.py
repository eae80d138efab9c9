"""Gangs that contend for the same hardware: who has nodes, who waits, who gave nodes back."""

from collections.abc import Iterable

import pytest

from stargate_operator.decide.observed import Observed
from stargate_operator.model.blueprint import Place
from stargate_operator.model.pod import Pod
from stargate_operator.placement.contention import GangContention
from stargate_types.status import Cause, Phase
from tests.kit.builders import (
    NOW,
    GivenJob,
    accelerator_class,
    at,
    blueprint,
    compute_block,
    gang,
    job,
    observed,
    pod,
    starting_gang,
)


def named(name: str, *, born: float = 0.0, hardware: str = "silicon") -> GivenJob:
    given = job(name, accelerator_type=hardware)
    meta = given.metadata.model_copy(update={"uid": name, "creation_timestamp": at(born)})
    return given.model_copy(update={"metadata": meta})


def seen(given: GivenJob, pods: Iterable[Pod] = (), row: str | None = None) -> Observed:
    """`row` is that of the compute block that it was put into."""
    hardware = accelerator_class(accelerator_type=given.spec.accelerator_type)
    made_from = blueprint(given, class_=hardware)
    if row is not None:
        made_from = made_from.at(Place(compute_block(row, node_selector={"row": row})))
    return observed(given, pods, blueprint_=made_from)


HALF = starting_gang(4, pod(0).scheduled(), pod(1).scheduled(), pod(2).unschedulable())
OLDER, YOUNGER = named("older", born=-20), named("younger", born=-10)


def test_younger_gang_yields_to_older_partial_gang() -> None:
    contention = GangContention()
    contention.note(seen(OLDER.starting(), HALF))
    contention.note(seen(YOUNGER.starting(), HALF))
    assert contention.seen_by(YOUNGER).older == OLDER.key
    assert contention.seen_by(YOUNGER).older_is_short
    assert contention.seen_by(OLDER).older is None


def test_gang_yields_to_whole_gang_of_any_age() -> None:
    contention = GangContention()
    contention.note(seen(OLDER.starting(), HALF))
    assert OLDER.uid in contention.note(seen(YOUNGER.running(), gang(4)))
    assert contention.seen_by(OLDER).whole == YOUNGER.key
    assert contention.seen_by(YOUNGER).whole is None


def test_a_finished_gang_holds_nothing() -> None:
    contention = GangContention()
    contention.note(seen(OLDER.succeeded(), [pod(rank).succeeded() for rank in range(4)]))
    found = contention.seen_by(YOUNGER)
    assert (found.whole, found.alone) == (None, True)


@pytest.mark.parametrize("over", [Phase.FAILED, Phase.SUSPENDED])
def test_attempt_that_is_over_wants_no_nodes(over: Phase) -> None:
    """Its failed pods are kept for their logs, and they name nodes."""
    starting = OLDER.starting()
    ended = starting.status.attempts[-1].model_copy(update={"end": NOW, "cause": Cause.EXIT})
    contention = GangContention()
    contention.note(seen(starting.having(phase=over, attempts=[ended]), [pod(0).failed()]))
    assert contention.seen_by(YOUNGER).older is None


def test_gangs_on_other_hardware_do_not_contend() -> None:
    contention, other = GangContention(), named("other", born=-30, hardware="another")
    contention.note(seen(other.starting(), HALF))
    assert other.uid not in contention.note(seen(OLDER.running(), gang(4)))
    found = contention.seen_by(other)
    assert (found.whole, found.alone) == (None, True)
    assert contention.seen_by(YOUNGER).older is None
    assert contention.gone(other.uid, NOW) == []
    assert contention.seen_by(YOUNGER).released_at is None


def test_gangs_in_separate_blocks_do_not_contend() -> None:
    contention = GangContention()
    contention.note(seen(OLDER.starting(), HALF, row="a"))
    contention.note(seen(YOUNGER.starting(), HALF, row="b"))
    assert contention.seen_by(YOUNGER).older is None
    contention.note(seen(YOUNGER.starting(), HALF, row="a"))
    assert contention.seen_by(YOUNGER).older == OLDER.key


def test_gang_without_block_contends_with_gang_in_block() -> None:
    contention = GangContention()
    contention.note(seen(OLDER.starting(), HALF))
    contention.note(seen(YOUNGER.starting(), HALF, row="b"))
    assert contention.seen_by(YOUNGER).older == OLDER.key


def test_waiting_gang_is_woken_by_returned_nodes() -> None:
    contention = GangContention()
    contention.note(seen(OLDER.running(), gang(4)))
    contention.note(seen(YOUNGER.queued()))
    assert not contention.seen_by(YOUNGER).alone
    assert contention.note(seen(OLDER.suspended(), [])) == [YOUNGER.uid]
    assert contention.seen_by(YOUNGER).released_at == NOW
    assert contention.seen_by(YOUNGER).alone


def test_yielding_gang_wakes_no_waiting_gang() -> None:
    contention = GangContention()
    contention.note(seen(OLDER.starting(), HALF))
    contention.note(seen(OLDER.queued()))
    assert contention.seen_by(YOUNGER).released_at is None


def test_a_gang_that_restarts_has_not_given_back() -> None:
    contention = GangContention()
    contention.note(seen(OLDER.running(), gang(4)))
    contention.note(seen(YOUNGER.queued()))
    contention.note(seen(OLDER.restarting(), gang(4)))
    assert contention.note(seen(OLDER.restarting())) == []
    found = contention.seen_by(YOUNGER)
    assert (found.alone, found.released_at) == (False, None)


def test_job_seen_first_is_looked_at_again() -> None:
    """A change during its first pass could not wake it."""
    contention = GangContention()
    assert contention.note(seen(YOUNGER.queued())) == [YOUNGER.uid]
    assert contention.note(seen(YOUNGER.queued())) == []


def test_job_without_a_pass_may_hold_nodes() -> None:
    contention = GangContention([OLDER.running(), YOUNGER.queued()])
    assert not contention.seen_by(YOUNGER).alone
    contention.note(seen(OLDER.succeeded()))
    assert contention.seen_by(YOUNGER).alone
