"""The objects to create and delete follow from the written status, and from nothing else."""

import pytest

from stargate_operator.decide.effects import PodDeletion, effects
from stargate_operator.decide.observed import Trouble
from stargate_operator.model.blueprint import Refusal
from stargate_types.status import Cause
from tests.kit.builders import (
    GivenJob,
    at,
    attempt,
    gang,
    job,
    observed,
    pod,
    starting_gang,
    without,
)

REFUSAL = Refusal("RuntimeNotFound", "there is none")
GONE = Trouble("PodsRefused", "exceeded quota", retry_at=at(1))


def test_a_starting_gang_gets_its_missing_ranks() -> None:
    assert effects(observed(job().starting())).create == (0, 1, 2, 3)
    assert effects(observed(job().starting(), without(starting_gang(4), 1, 3))).create == (1, 3)


def test_a_rank_deleted_while_starting_is_made_again() -> None:
    assert effects(observed(job().starting(), without(gang(4), 2))).create == (2,)


def test_a_deleted_rank_waits_for_its_old_pod() -> None:
    pods = gang(4, pod(2).running().deleted())
    assert effects(observed(job().starting(), pods)).create == ()


def test_nothing_is_created_beside_a_failed_rank() -> None:
    """The next pass ends the attempt, and a create that is on its way then cannot be taken back."""
    pods = without(starting_gang(4, pod(1).failed()), 2)
    assert effects(observed(job().starting(), pods)).create == ()


def test_ranks_under_creation_are_not_created_twice() -> None:
    assert effects(observed(job().starting(), creating=[0, 1])).create == (2, 3)


def test_a_running_gang_gets_no_new_ranks() -> None:
    assert effects(observed(job().running(), without(gang(4), 2))).create == ()


@pytest.mark.parametrize(
    "given",
    [
        job(),
        job().restarting(),
        job().queued(),
        job().suspended(),
        job().succeeded(),
        job().failed(),
    ],
    ids=["new", "restarting", "queued", "suspended", "succeeded", "failed"],
)
def test_nothing_is_created_unless_a_gang_may_start(given: GivenJob) -> None:
    found = effects(observed(given, missing_gang_objects=("Service",)))
    assert (found.create, found.gang_objects) == ((), ())


def test_nothing_is_created_for_a_terminating_job() -> None:
    given = job().starting()
    meta = given.metadata.model_copy(update={"deletion_timestamp": at(-1)})
    going = given.model_copy(update={"metadata": meta})
    assert effects(observed(going, missing_gang_objects=("Service",))).create == ()


def test_nothing_is_created_while_old_pods_are_alive() -> None:
    old = pod(3, attempt=1).running().deleted()
    found = effects(observed(job().starting(2), [old], missing_gang_objects=("Service",)))
    assert (found.create, found.gang_objects) == ((), ())


def test_finished_old_pods_do_not_block_creation() -> None:
    old = [pod(3, attempt=1).failed(), pod(2, attempt=1).succeeded()]
    assert effects(observed(job().starting(2), old)).create == (0, 1, 2, 3)


def test_nothing_is_created_without_a_blueprint() -> None:
    assert effects(observed(job().starting(), blueprint_=REFUSAL)).create == ()


def test_refused_creation_pauses_until_the_retry() -> None:
    assert effects(observed(job().starting(), trouble=GONE)).create == ()
    assert effects(observed(job().starting(), trouble=GONE, now=at(1))).create == (0, 1, 2, 3)


@pytest.mark.parametrize(
    ("given", "made"),
    [(job().starting(), True), (job().running(), True), (job().restarting(), False)],
    ids=["starting", "running", "restarting"],
)
def test_gang_objects_exist_as_long_as_the_gang(given: GivenJob, made: bool) -> None:
    found = effects(observed(given, gang(4), missing_gang_objects=("Service",)))
    assert bool(found.gang_objects) is made


def test_a_restart_kills_the_old_gang_within_seconds() -> None:
    old = gang(4, pod(2).oom_killed())
    found = effects(observed(job().restarting(Cause.OOM_KILLED), old)).delete
    assert [(each.pod.rank, each.grace) for each in found] == [(0, 2), (1, 2), (3, 2)]


def test_suspension_leaves_pods_their_own_grace() -> None:
    found = effects(observed(job().suspended(), gang(4))).delete
    assert [each.grace for each in found] == [None] * 4


def test_the_deadline_leaves_pods_their_own_grace() -> None:
    over = attempt(ran=-90, ended=0, cause=Cause.DEADLINE_EXCEEDED)
    given = job().failed().having(attempts=[over])
    assert [each.grace for each in effects(observed(given, gang(4))).delete] == [None] * 4


def test_a_failed_job_s_other_workers_are_killed() -> None:
    found = effects(observed(job().failed(), gang(4, pod(2).failed()))).delete
    assert [(each.pod.rank, each.grace) for each in found] == [(0, 2), (1, 2), (3, 2)]


def test_no_pod_is_deleted_twice() -> None:
    old = [pod(0).running().deleted(), pod(1).running()]
    assert [each.pod.rank for each in effects(observed(job().restarting(), old)).delete] == [1]


@pytest.mark.parametrize(("left", "again"), [(3600, True), (4.1, True), (4, False), (-3, False)])
def test_restart_shortens_a_longer_grace(left: float, again: bool) -> None:
    evicted = pod(0).running().but(deleting=True, deletion_at=at(left).timestamp())
    found = effects(observed(job().restarting(), [evicted])).delete
    assert [(each.pod.rank, each.grace) for each in found] == ([(0, 2)] if again else [])


def test_suspension_shortens_no_grace() -> None:
    evicted = pod(0).running().but(deleting=True, deletion_at=at(3600).timestamp())
    assert effects(observed(job().suspended(), [evicted])).delete == ()


def test_a_succeeded_job_keeps_its_pods() -> None:
    done = [pod(rank).succeeded() for rank in range(4)]
    assert effects(observed(job().succeeded(), done)).delete == ()


def test_the_culprit_and_nine_more_failed_pods_stay() -> None:
    failed = [pod(rank).failed() for rank in range(20)]
    over = attempt(nodes=20, ran=-90, ended=0, cause=Cause.EXIT, rank=17)
    coming = attempt(2, nodes=20, resolved=False)
    given = job(nodes=20).restarting().having(attempts=[over, coming])
    deletion = {each.pod.rank for each in effects(observed(given, failed)).delete}
    assert set(range(20)) - deletion == {17, *range(9)}


def test_a_restart_prunes_older_failed_pods() -> None:
    old = [pod(1, attempt=1).failed(), pod(2, attempt=2).failed(), pod(3, attempt=2).succeeded()]
    found = effects(observed(job().starting(3), old)).delete
    assert {each.pod.name for each in found} == {"train-1-1", "train-2-3"}


def test_pods_with_invalid_ranks_are_deleted() -> None:
    stray, twin = pod(7).running(), pod(2).running().but(name="train-1-copy", uid="copy")
    given = job().starting()
    found = effects(observed(given, [*gang(4), stray, twin]))
    assert found.delete == (PodDeletion(stray, 2), PodDeletion(twin, 2))
