"""The checkpoints on record: what can be resumed from."""

from stargate_operator.model.checkpoints import (
    advanced,
    complete,
    dropped,
    record,
    resume_point,
    without_unfinished,
)
from stargate_types.status import Checkpoints
from tests.kit.builders import (
    at,
    checkpoint,
    checkpoint_report,
    described,
    gang,
    job,
    pod,
    uri,
)


def epochs(found: Checkpoints | None) -> list[tuple[int, str]]:
    return [(each.epoch, each.state) for each in (found.history if found else [])]


def test_one_being_written_is_the_latest_and_nothing_to_resume_from() -> None:
    found = record(None, [checkpoint_report(5, "Writing")], retain=3)
    assert found is not None
    assert found.latest is not None
    assert (found.latest.state, found.history) == ("Writing", [])
    assert resume_point(job(), found) is None


def test_a_complete_one_is() -> None:
    found = record(None, [checkpoint_report(5, "Writing"), checkpoint_report(5)], retain=3)
    assert epochs(found) == [(5, "Complete")]
    point = resume_point(job(), found)
    assert point is not None
    assert (point.epoch, point.uri) == (5, uri(5))


def test_the_newest_are_kept_as_many_as_the_job_retains() -> None:
    reports = [checkpoint_report(epoch) for epoch in (5, 10, 15, 20)]
    found = record(None, reports, retain=2)
    assert epochs(found) == [(20, "Complete"), (15, "Complete")]
    before = record(None, reports[:2], retain=2)
    assert dropped(before, found) == (uri(10), uri(5))


def test_a_repeated_report_changes_nothing() -> None:
    once = record(None, [checkpoint_report(5)], retain=3)
    assert record(once, [checkpoint_report(5)], retain=3) == once


def test_a_late_word_of_an_older_one_goes_in_its_place() -> None:
    found = record(None, [checkpoint_report(10), checkpoint_report(5)], retain=3)
    assert found is not None
    assert found.latest is not None
    assert (epochs(found), found.latest.epoch) == ([(10, "Complete"), (5, "Complete")], 10)


def test_a_damaged_one_stays_as_such_and_the_one_before_counts() -> None:
    stands = record(None, [checkpoint_report(5), checkpoint_report(10)], retain=3)
    found = record(stands, [checkpoint_report(10, "Damaged")], retain=3)
    assert found is not None
    assert epochs(found) == [(10, "Damaged"), (5, "Complete")]
    assert found.latest is not None
    assert found.latest.state == "Damaged"
    point = resume_point(job(), found)
    assert point is not None
    assert point.epoch == 5


def test_it_is_never_taken_for_complete_again() -> None:
    stands = record(None, [checkpoint_report(5), checkpoint_report(5, "Damaged")], retain=3)
    assert epochs(record(stands, [checkpoint_report(5)], retain=3)) == [(5, "Damaged")]


def test_the_next_attempt_s_of_the_same_epoch_is_another() -> None:
    stands = record(None, [checkpoint_report(5), checkpoint_report(5, "Damaged")], retain=3)
    found = record(stands, [checkpoint_report(5, attempt=2, seconds=60)], retain=3)
    point = resume_point(job(), found)
    assert point is not None
    assert point.uri == uri(5, attempt=2)


def test_damaged_ones_take_no_complete_one_s_place() -> None:
    reports = [checkpoint_report(n) for n in range(1, 11)]
    bad = [checkpoint_report(n, "Damaged") for n in range(1, 9)]
    found = record(record(None, reports, retain=10), bad, retain=10)
    found = record(found, [checkpoint_report(n) for n in range(11, 15)], retain=10)
    assert len(complete(found)) == 6
    assert found is not None
    assert len(found.history) == 10


def test_without_any_the_warm_start_counts() -> None:
    point = resume_point(job(restore_from="s3://other/epoch-90"), None)
    assert point is not None
    assert (point.epoch, point.uri) == (None, "s3://other/epoch-90")


def test_advanced_means_a_newer_complete_one() -> None:
    none, zero = None, Checkpoints(history=[checkpoint(0)])
    five = Checkpoints(history=[checkpoint(5), checkpoint(0)])
    assert advanced(none, zero)
    assert advanced(zero, five)
    assert not advanced(zero, zero)
    assert not advanced(five, zero)
    assert not advanced(none, none)


def test_nobody_goes_on_writing_what_a_lost_attempt_was_writing() -> None:
    given = job().running().saved(5)
    writing = given.now(described(given, gang(4), checkpoints=[checkpoint_report(10, "Writing")]))
    assert writing.status.checkpoints is not None
    assert writing.status.checkpoints.latest is not None
    assert writing.status.checkpoints.latest.state == "Writing"
    after = described(writing, gang(4, pod(1).oom_killed()))
    assert after.checkpoints is not None
    assert after.checkpoints.latest is not None
    assert (after.checkpoints.latest.epoch, after.checkpoints.latest.state) == (5, "Complete")


def test_what_never_finished_leaves_nothing_behind() -> None:
    found = without_unfinished(Checkpoints(latest=checkpoint(5, state="Writing")))
    assert found is not None
    assert found.latest is None


def test_the_attempt_that_wrote_one_and_the_moment_stand_with_it() -> None:
    found = record(None, [checkpoint_report(5, attempt=3, seconds=-7)], retain=3)
    assert found is not None
    assert (found.history[0].attempt, found.history[0].time) == (3, at(-7))
