"""The checkpoints on record, and those that a job can resume from."""

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


def test_checkpoint_being_written_is_latest_but_not_resumable() -> None:
    found = record(None, [checkpoint_report(5, "Writing")], retain=3)
    assert found is not None
    assert found.latest is not None
    assert (found.latest.state, found.history) == ("Writing", [])
    assert resume_point(job(), found) is None


def test_complete_checkpoint_is_latest_and_resumable() -> None:
    found = record(None, [checkpoint_report(5, "Writing"), checkpoint_report(5)], retain=3)
    assert epochs(found) == [(5, "Complete")]
    point = resume_point(job(), found)
    assert point is not None
    assert (point.epoch, point.uri) == (5, uri(5))


def test_newest_checkpoints_are_retained() -> None:
    reports = [checkpoint_report(epoch) for epoch in (5, 10, 15, 20)]
    found = record(None, reports, retain=2)
    assert epochs(found) == [(20, "Complete"), (15, "Complete")]
    before = record(None, reports[:2], retain=2)
    assert dropped(before, found) == (uri(10), uri(5))


def test_repeated_checkpoint_report_changes_nothing() -> None:
    once = record(None, [checkpoint_report(5)], retain=3)
    assert record(once, [checkpoint_report(5)], retain=3) == once


def test_late_report_of_older_checkpoint_is_sorted_in() -> None:
    found = record(None, [checkpoint_report(10), checkpoint_report(5)], retain=3)
    assert found is not None
    assert found.latest is not None
    assert (epochs(found), found.latest.epoch) == ([(10, "Complete"), (5, "Complete")], 10)


def test_damaged_checkpoint_stays_and_previous_one_is_resumed() -> None:
    stands = record(None, [checkpoint_report(5), checkpoint_report(10)], retain=3)
    found = record(stands, [checkpoint_report(10, "Damaged")], retain=3)
    assert found is not None
    assert epochs(found) == [(10, "Damaged"), (5, "Complete")]
    assert found.latest is not None
    assert found.latest.state == "Damaged"
    point = resume_point(job(), found)
    assert point is not None
    assert point.epoch == 5


def test_damaged_checkpoint_never_becomes_complete_again() -> None:
    stands = record(None, [checkpoint_report(5), checkpoint_report(5, "Damaged")], retain=3)
    assert epochs(record(stands, [checkpoint_report(5)], retain=3)) == [(5, "Damaged")]


def test_same_epoch_of_next_attempt_is_another_checkpoint() -> None:
    stands = record(None, [checkpoint_report(5), checkpoint_report(5, "Damaged")], retain=3)
    found = record(stands, [checkpoint_report(5, attempt=2, seconds=60)], retain=3)
    point = resume_point(job(), found)
    assert point is not None
    assert point.uri == uri(5, attempt=2)


def test_damaged_checkpoints_do_not_displace_complete_ones() -> None:
    reports = [checkpoint_report(n) for n in range(1, 11)]
    bad = [checkpoint_report(n, "Damaged") for n in range(1, 9)]
    found = record(record(None, reports, retain=10), bad, retain=10)
    found = record(found, [checkpoint_report(n) for n in range(11, 15)], retain=10)
    assert len(complete(found)) == 6
    assert found is not None
    assert len(found.history) == 10


def test_job_without_checkpoint_resumes_from_warm_start() -> None:
    point = resume_point(job(restore_from="s3://other/epoch-90"), None)
    assert point is not None
    assert (point.epoch, point.uri) == (None, "s3://other/epoch-90")


def test_only_newer_complete_checkpoint_is_an_advance() -> None:
    none, zero = None, Checkpoints(history=[checkpoint(0)])
    five = Checkpoints(history=[checkpoint(5), checkpoint(0)])
    assert advanced(none, zero)
    assert advanced(zero, five)
    assert not advanced(zero, zero)
    assert not advanced(five, zero)
    assert not advanced(none, none)


def test_unfinished_checkpoint_of_ended_attempt_is_dropped() -> None:
    given = job().running().saved(5)
    writing = given.now(described(given, gang(4), checkpoints=[checkpoint_report(10, "Writing")]))
    assert writing.status.checkpoints is not None
    assert writing.status.checkpoints.latest is not None
    assert writing.status.checkpoints.latest.state == "Writing"
    after = described(writing, gang(4, pod(1).oom_killed()))
    assert after.checkpoints is not None
    assert after.checkpoints.latest is not None
    assert (after.checkpoints.latest.epoch, after.checkpoints.latest.state) == (5, "Complete")


def test_unfinished_first_checkpoint_leaves_no_latest() -> None:
    found = without_unfinished(Checkpoints(latest=checkpoint(5, state="Writing")))
    assert found is not None
    assert found.latest is None


def test_checkpoint_records_its_attempt_and_time() -> None:
    found = record(None, [checkpoint_report(5, attempt=3, seconds=-7)], retain=3)
    assert found is not None
    assert (found.history[0].attempt, found.history[0].time) == (3, at(-7))
