"""The whole status: true counts, times, and the changes that a finished job still gets."""

import pytest

from stargate_operator.model.pod import Pod
from stargate_types.status import Phase, Workers
from tests.kit.builders import NOW, at, described, gang, job, pod, starting_gang, without


@pytest.mark.parametrize(
    ("pods", "counts"),
    [
        ([], Workers(desired=4)),
        (starting_gang(4), Workers(desired=4, created=4)),
        (
            starting_gang(4, pod(0).scheduled(), pod(1).running()),
            Workers(desired=4, created=4, scheduled=2, running=1, ready=1),
        ),
        (gang(4), Workers(desired=4, created=4, scheduled=4, running=4, ready=4)),
        (
            gang(4, pod(1).succeeded(), pod(2).running().but(ready=False)),
            Workers(desired=4, created=4, scheduled=4, running=3, ready=2, succeeded=1),
        ),
    ],
    ids=["none", "created", "some", "all", "one done"],
)
def test_workers_are_counted(pods: list[Pod], counts: Workers) -> None:
    assert described(job().starting(), pods).workers == counts


def test_a_new_attempt_has_no_workers_yet() -> None:
    status = described(job().running(), gang(4, pod(1).oom_killed()))
    assert status.workers == Workers(desired=4)


def test_pods_of_an_old_gang_are_not_counted() -> None:
    assert described(job().restarting(), gang(4)).workers == Workers(desired=4)


def test_the_start_time_is_set_once() -> None:
    first = job().now(described(job()))
    assert first.status.start_time == NOW
    dead = starting_gang(4, pod(1).oom_killed())
    assert described(first, dead, now=at(60)).start_time == NOW


def test_a_waiting_job_has_no_start_time() -> None:
    assert described(job(suspend=True)).start_time is None


def test_times_have_whole_seconds() -> None:
    status = described(job(), now=at(0.75))
    assert status.start_time == NOW
    assert {each.last_transition_time for each in status.conditions} == {NOW}


def test_a_finished_job_stays_as_it_is() -> None:
    for given in (job().succeeded(), job().failed()):
        assert described(given, without(gang(4), 1), now=at(60)) == given.status


def test_a_failed_job_s_last_workers_are_counted() -> None:
    given = job(max_restarts=0).running()
    dead = gang(4, pod(1).oom_killed())
    failed = given.now(described(given, dead))
    assert (failed.status.phase, failed.status.workers) == (
        Phase.FAILED,
        Workers(desired=4, created=4, scheduled=4, running=3, ready=3, failed=1),
    )
    gone = failed.now(described(failed, [pod(1).oom_killed()], now=at(3)))
    assert gone.status.workers == Workers(desired=4, created=1, scheduled=1, failed=1)
    assert gone.status.model_copy(update={"workers": None}) == failed.status.model_copy(
        update={"workers": None}
    )
    assert described(gone, [], now=at(9)) == gone.status


def test_the_same_input_gives_the_same_status() -> None:
    given = job().running().saved(5)
    pods = gang(4, pod(1).oom_killed())
    assert described(given, pods) == described(given, pods)
