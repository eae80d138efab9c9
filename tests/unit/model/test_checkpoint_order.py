"""The list of checkpoints follows from their positions: not from the order in which reports arrive, not
from the clocks of the leaders that write them down."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stargate_operator.model.checkpoints import advanced, complete, record
from stargate_operator.model.reports import CheckpointReport, CheckpointState
from stargate_types.position import Position
from stargate_types.status import Checkpoint, Checkpoints
from tests.kit.builders import at, checkpoint, checkpoint_report

unhurried = settings(deadline=None)

SECONDS = st.integers(-100_000, 100_000)
RETAIN = st.integers(2, 10)
FEW = st.integers(2, 3)
STEPS = st.none() | st.integers(0, 5)


@st.composite
def reports(draw: st.DrawFn) -> CheckpointReport:
    """A position is often taken twice, in one attempt or in two."""
    epoch, step, attempt = draw(st.integers(0, 1)), draw(STEPS), draw(st.integers(1, 3))
    again = draw(st.integers(0, 2))
    place = f"s3://b/attempt-{attempt}/epoch-{epoch}-step-{step}-{again}"
    state: CheckpointState = draw(st.sampled_from(("Writing", "Complete", "Complete")))
    return checkpoint_report(
        epoch, state, step=step, attempt=attempt, place=place, seconds=draw(SECONDS)
    )


def order(saved: Checkpoint | CheckpointReport) -> tuple[Position, int]:
    return saved.position, saved.attempt


def uris(found: Iterable[Checkpoint]) -> list[str]:
    return [saved.uri for saved in found]


def recorded(told: Iterable[CheckpointReport], retain: int) -> Checkpoints:
    return record(Checkpoints(), told, retain=retain) or Checkpoints()


DISTINCT = st.lists(reports(), unique_by=order, max_size=14)


@unhurried
@given(DISTINCT, st.data(), RETAIN)
def test_any_arrival_and_any_clock_give_one_list(
    told: list[CheckpointReport], data: st.DataObject, retain: int
) -> None:
    arrived = data.draw(st.permutations(told))
    turn = data.draw(st.integers(0, len(told)))
    skew = data.draw(SECONDS)
    later = [replace(report, at=at(skew + n)) for n, report in enumerate(arrived[turn:])]

    first_leader = recorded(arrived[:turn], retain)
    found = first_leader
    for report in later:
        found = record(found, [report], retain=retain) or found

    whole = [report for report in told if report.state == "Complete"]
    newest = sorted(whole, key=order, reverse=True)[:retain]
    assert uris(found.history) == [report.uri for report in newest]
    latest = max(told, key=lambda report: (report.attempt, report.position), default=None)
    assert (found.latest and found.latest.uri) == (latest and latest.uri)


@unhurried
@given(st.lists(reports() | reports() | st.integers(0, 9), min_size=6, max_size=30), FEW)
def test_only_newer_checkpoints_or_damage_displace_one(
    told: list[CheckpointReport | int], retain: int
) -> None:
    """A number is damage of the checkpoint there in the list."""
    found = Checkpoints()
    for each in told:
        report = each if isinstance(each, CheckpointReport) else damage(found, each)
        if report is None:
            continue
        before, found = found, record(found, [report], retain=retain) or found
        kept, damaged = complete(found), {c.uri for c in found.history if c.state == "Damaged"}
        for saved in complete(before):
            newer = [other for other in kept if order(other) >= order(saved)]
            assert saved.uri in {*uris(kept), *damaged} or len(newer) >= retain


def damage(found: Checkpoints, number: int) -> CheckpointReport | None:
    if number >= len(found.history):
        return None
    hurt = found.history[number]
    return checkpoint_report(
        hurt.epoch, "Damaged", step=hurt.step, attempt=hurt.attempt, place=hurt.uri
    )


@unhurried
@given(st.lists(reports(), min_size=4, max_size=20), FEW)
def test_checkpoint_as_new_as_the_newest_is_written(
    told: list[CheckpointReport], retain: int
) -> None:
    """A worker that reports it again and again would otherwise never be told that it counts."""
    found = Checkpoints()
    for report in told:
        before, found = found, record(found, [report], retain=retain) or found
        newest = max(map(order, complete(before)), default=order(report))
        if report.state == "Complete" and order(report) >= newest:
            assert report.uri in uris(complete(found))


@unhurried
@given(st.lists(reports(), max_size=12), st.integers(0, 11), RETAIN)
def test_repeated_report_changes_nothing(
    told: list[CheckpointReport], which: int, retain: int
) -> None:
    found = recorded(told, retain)
    again = told[which : which + 1]
    listed = [report for report in again if report.uri in uris(found.history)]
    assert record(found, listed, retain=retain) == found


@unhurried
@given(st.lists(reports(), max_size=8), st.lists(reports(), max_size=8), RETAIN)
def test_only_a_higher_position_is_an_advance(
    told: list[CheckpointReport], later: list[CheckpointReport], retain: int
) -> None:
    before = recorded(told, retain)
    after = record(before, later, retain=retain)
    old = max((saved.position for saved in complete(before)), default=None)
    new = max((saved.position for saved in complete(after)), default=None)
    assert advanced(before, after) is (new is not None and (old is None or new > old))


@pytest.mark.parametrize("seconds", [-3600.0, 0.0, 3600.0])
def test_leader_with_another_clock_drops_no_newer_step(seconds: float) -> None:
    """The next leader's clock may be an hour behind, or before."""
    stands = recorded([checkpoint_report(0, step=step) for step in (1000, 2000, 3000)], 2)
    found = record(stands, [checkpoint_report(0, step=4000, seconds=seconds)], retain=2)
    assert [saved.step for saved in complete(found)] == [4000, 3000]


def test_damage_elsewhere_displaces_no_complete_checkpoint() -> None:
    full = Checkpoints(history=[checkpoint(epoch) for epoch in range(20, 10, -1)])
    warm_start = checkpoint_report(90, "Damaged", place="s3://other/epoch-90")
    assert complete(record(full, [warm_start], retain=10)) == full.history


@pytest.mark.parametrize("turn", [1, -1], ids=["damage last", "damage first"])
def test_damaged_one_makes_no_older_one_leave(turn: int) -> None:
    stands = recorded([checkpoint_report(0, step=step) for step in (10, 11, 12)], 3)
    told = [checkpoint_report(0, step=13), checkpoint_report(0, "Damaged", step=12)]
    found = record(stands, told[::turn], retain=3)
    assert [saved.step for saved in complete(found)] == [13, 11, 10]


def test_late_writing_report_of_a_complete_one_is_ignored() -> None:
    stands = recorded([checkpoint_report(0, step=9)], 3)
    assert record(stands, [checkpoint_report(0, "Writing", step=9)], retain=3) == stands
