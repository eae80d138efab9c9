"""All gangs at a glance, where the scheduler knows no gangs."""

from stargate_operator.contention import Rivals
from stargate_operator.pod import Pod
from tests.builders import GivenJob, at, job, observed, pod, starting_gang

PARTLY = starting_gang(4, pod(0).scheduled(), pod(1).scheduled())
SHORT = starting_gang(4, pod(0).scheduled(), pod(1).unschedulable())


def aged(seconds: float) -> GivenJob:
    """A job that starts, and was created so long ago."""
    found = job(f"aged-{seconds:g}").starting()
    meta = found.metadata.model_copy(
        update={"uid": f"uid-{seconds:g}", "creation_timestamp": at(-seconds)}
    )
    return found.model_copy(update={"metadata": meta})


def rivals(**gangs: list[Pod]) -> Rivals:
    """By the age of their jobs: `_30=PARTLY`."""
    found = Rivals()
    for age, pods in gangs.items():
        found.note(observed(aged(float(age.strip("_"))), pods))
    return found


def test_a_gang_sees_an_older_one_that_is_partly_scheduled() -> None:
    seen = rivals(_30=PARTLY).seen_by(aged(20))

    assert (seen.older, seen.older_is_short) == ("team-a/aged-30", False)


def test_who_waits_for_nodes_comes_before_who_is_older() -> None:
    seen = rivals(_40=PARTLY, _30=SHORT).seen_by(aged(20))

    assert (seen.older, seen.older_is_short) == ("team-a/aged-30", True)


def test_a_younger_gang_is_no_rival() -> None:
    assert rivals(_10=SHORT).seen_by(aged(20)).older is None


def test_a_gang_is_not_its_own_rival() -> None:
    assert rivals(_20=SHORT).seen_by(aged(20)).older is None


def test_a_job_that_is_gone_is_no_rival_and_wakes_who_waits() -> None:
    found = rivals(_30=SHORT, _20=SHORT)

    assert found.gone("uid-30", at(0)) == ["uid-20"]
    assert found.seen_by(aged(20)).older is None
    assert found.seen_by(aged(20)).released_at == at(0)
