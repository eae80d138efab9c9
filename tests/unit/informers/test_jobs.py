"""The cache of jobs: the newer version wins, and a deleted job stays deleted."""

from stargate_operator.informers.jobs import Jobs
from stargate_types import StargateJob
from tests.kit.builders import job


def version(of: StargateJob, number: int) -> StargateJob:
    meta = of.metadata.model_copy(update={"resource_version": str(number)})
    return of.model_copy(update={"metadata": meta})


def test_late_event_does_not_revive_a_deleted_job() -> None:
    jobs = Jobs()
    jobs.put(version(job(), 5))
    jobs.remove(job().uid)
    assert not jobs.put(version(job(), 4))
    assert not jobs.put(version(job(), 6))
    assert jobs.get(job().uid) is None


def test_job_missing_in_list_is_gone_unless_newer() -> None:
    jobs = Jobs()
    jobs.put(version(job(), 5))
    jobs.keep_only({job().uid}, 9)
    assert jobs.get(job().uid)
    jobs.keep_only(set(), 4)
    assert jobs.get(job().uid), "created after the list"
    jobs.keep_only(set(), 5)
    assert jobs.get(job().uid) is None


def test_unreadable_job_does_not_stop_the_others() -> None:
    jobs = Jobs()
    unreadable = {"metadata": {"namespace": "team", "name": "odd", "uid": "u"}, "spec": 7}
    assert not jobs.take(unreadable)
    assert jobs.take(job().model_dump(by_alias=True, mode="json", exclude_none=True))
