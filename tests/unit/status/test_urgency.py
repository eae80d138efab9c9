"""How soon a status must be written, if at all."""

from typing import Any

import pytest

from stargate_operator.decide.observed import Trouble
from stargate_operator.status.urgency import Urgency, urgency
from stargate_types import StargateJobStatus
from tests.kit.builders import (
    GivenJob,
    at,
    checkpoint_report,
    described,
    gang,
    job,
    pod,
    progress_report,
    starting_gang,
)


def written(given: GivenJob, pods: Any = (), **seen: Any) -> GivenJob:
    """As it stands after a write, and a way over the wire and back."""
    wire = described(given, pods, **seen).model_dump_json(by_alias=True, exclude_none=True)
    return given.now(StargateJobStatus.model_validate_json(wire))


@pytest.mark.parametrize(
    ("given", "pods"),
    [
        (job(suspend=True), []),
        (job().starting(), starting_gang(4, pod(1).unschedulable("none"))),
        (job().running(), gang(4)),
        (job().running().saved(5), gang(4)),
        (job().restarting(), [pod(0).failed(), pod(1).running()]),
        (job().queued(), []),
        (job().suspended(), []),
        (job().suspended().saved(5), gang(4)),
    ],
    ids=["new", "starting", "running", "saved", "restarting", "queued", "suspended", "suspending"],
)
def test_the_clock_alone_causes_no_write(given: GivenJob, pods: Any) -> None:
    stands = written(given, pods)
    later = described(stands, pods, now=at(3.5))
    assert urgency(stands.status, later) is Urgency.NOTHING


def test_an_estimate_alone_causes_no_write() -> None:
    given = job().running()
    report = progress_report(42)
    stands = written(given, gang(4), progress=report, epoch_seconds=3)
    later = described(stands, gang(4), progress=report, epoch_seconds=4, now=at(2))
    assert later.progress is not None
    assert later.progress.estimated_remaining_seconds == 232
    assert urgency(stands.status, later) is Urgency.NOTHING


def test_a_finished_job_causes_no_write() -> None:
    done = [pod(rank).succeeded() for rank in range(4)]
    stands = written(job().running(), done)
    assert urgency(stands.status, described(stands, [], now=at(99))) is Urgency.NOTHING


def test_counts_can_wait() -> None:
    stands = written(job().starting(), starting_gang(4))
    more = described(stands, starting_gang(4, pod(1).scheduled()), now=at(1))
    assert urgency(stands.status, more) is Urgency.SOON


def test_progress_can_wait_longer() -> None:
    stands = written(job().running(), gang(4))
    more = described(stands, gang(4), progress=progress_report(42))
    assert urgency(stands.status, more) is Urgency.LATER


def test_a_new_scheduler_message_can_wait() -> None:
    one, other = (
        starting_gang(4, pod(1).unschedulable(f"0/9 nodes: {n} Insufficient devices"))
        for n in (3, 4)
    )
    stands = written(job().starting(), one)
    assert urgency(stands.status, described(stands, other)) is Urgency.SOON


@pytest.mark.parametrize(
    "now",
    [
        {"pods": gang(4, pod(1).oom_killed())},
        {"pods": [pod(rank).succeeded() for rank in range(4)]},
    ],
    ids=["a failure", "success"],
)
def test_a_life_change_cannot_wait(now: dict[str, Any]) -> None:
    stands = written(job().running(), gang(4))
    assert urgency(stands.status, described(stands, **now)) is Urgency.NOW


def test_a_checkpoint_cannot_wait() -> None:
    stands = written(job().running(), gang(4))
    saved = described(stands, gang(4), checkpoints=[checkpoint_report(5)])
    assert urgency(stands.status, saved) is Urgency.NOW


def test_a_refusal_cannot_wait() -> None:
    stands = written(job().starting(), [])
    trouble = Trouble("PodsRefused", "exceeded quota", retry_at=at(1))
    assert urgency(stands.status, described(stands, [], trouble=trouble)) is Urgency.NOW
