"""The moments of a gang, from its pods' changes."""

from bench.timeline import Milestone, Timeline
from stargate_operator.model.pod import Pod
from tests.kit.builders import pod


def _told(timeline: Timeline, *changes: tuple[Pod | None, Pod | None]) -> dict[str, float]:
    """One change a second."""
    for now, (old, new) in enumerate(changes):
        timeline.take(old, new, float(now))
    return {str(name): at for name, at in timeline.moments.items()}


def test_last_rank_decides_the_milestones_of_start() -> None:
    one, two = pod(0), pod(1)
    found = _told(
        Timeline(2),
        (None, one),
        (one, one.scheduled()),
        (None, two),
        (one.scheduled(), one.running()),
        (two, two.scheduled()),
        (two.scheduled(), two.running()),
    )
    assert found == {"created": 2, "scheduled": 4, "running": 5}


def test_a_milestone_is_passed_once() -> None:
    one = pod(0).running()
    timeline = Timeline(1)
    assert timeline.take(None, one, 1.0)
    assert not timeline.take(one, one.but(ready=False), 2.0)
    assert timeline.moments[Milestone.RUNNING] == 1.0


def test_gang_is_gone_despite_its_failed_pod() -> None:
    one, two = pod(0).running(), pod(1).running()
    dying = two.but(deleting=True)
    found = _told(
        Timeline(2),
        (None, one),
        (None, two),
        (one, one.oom_killed()),
        (two, dying),
        (dying, None),
    )
    assert found["first delete"] == 3
    assert found["gone"] == 4


def test_pod_deleted_at_once_is_first_delete() -> None:
    one = pod(0).running()
    assert _told(Timeline(2), (None, one), (one, None))["first delete"] == 1
