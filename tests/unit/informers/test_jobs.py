"""The cache of jobs: the newer version wins, and a deleted job stays deleted."""

from typing import Any

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


def odd(version: int = 7, uid: str = "u") -> dict[str, Any]:
    meta = {"namespace": "team", "name": "odd", "uid": uid, "resourceVersion": str(version)}
    return {"metadata": meta, "spec": 7}


def readable(version: int) -> dict[str, Any]:
    body = job().model_dump(by_alias=True, mode="json", exclude_none=True)
    return {**body, "metadata": {**body["metadata"], "resourceVersion": str(version)}}


def test_unreadable_job_does_not_stop_the_others() -> None:
    jobs = Jobs()
    assert jobs.take(odd())
    assert jobs.take(readable(1))
    found = jobs.unreadable("u")
    assert found is not None
    assert found.problem.startswith("spec: ")
    assert jobs.uids == {"u", job().uid}
    assert [each.uid for each in jobs] == [job().uid]


def test_edit_may_make_a_job_unreadable_and_readable() -> None:
    jobs, uid = Jobs(), job().uid
    assert jobs.take(readable(1))
    assert jobs.take(odd(version=2, uid=uid))
    assert not jobs.take(odd(version=2, uid=uid)), "told twice"
    assert not jobs.take(readable(1)), "an older event"
    assert (jobs.get(uid), jobs.unreadable(uid) is None) == (None, False)
    assert jobs.take(readable(3))
    assert jobs.get(uid)
    assert jobs.unreadable(uid) is None


def test_unreadable_job_goes_with_its_object() -> None:
    jobs = Jobs()
    jobs.take(odd(version=7))
    jobs.keep_only(set(), 6)
    assert jobs.uids, "created after the list"
    jobs.keep_only(set(), 7)
    assert not jobs.uids
    assert not jobs.take(odd(version=8))
