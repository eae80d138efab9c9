"""An interrupted training ends with the same weights as an uninterrupted one, bit for bit."""

import signal

import pytest

from tests.trainer.conftest import MakeGang
from tests.trainer.gang import Gang
from tests.trainer.sink import Sink

DONE, STOPPED, PEER_LOST = 0, 143, 75
STEPS = 23
"""Steps of an epoch: the text has 1,535 windows, and a step takes 64."""


def undisturbed(gang: Gang) -> str:
    assert gang.start().wait() == [DONE] * 4, gang.attempts[-1].ranks[0].output
    return gang.weights


def resumed(gang: Gang, sink: Sink) -> str:
    assert gang.start(sink.complete[-1]).wait() == [DONE] * 4, gang.attempts[-1].ranks[0].output
    return gang.weights


@pytest.mark.parametrize("strategy", ["distributed_adam_optimized", "sgd_momentum"])
def test_killed_rank_ends_with_the_same_weights(gang: MakeGang, sink: Sink, strategy: str) -> None:
    job = {"epochs": 6, "optimizationStrategy": strategy}
    expected = undisturbed(gang(**job))
    broken = gang(**job)
    first = broken.start(TRAINER_STEP_SECONDS="0.05")
    first.passes(4 * STEPS + 5)
    first.ranks[2].send(signal.SIGKILL)
    assert first.wait() == [PEER_LOST, PEER_LOST, -signal.SIGKILL, PEER_LOST]
    assert "another rank is gone" in first.ranks[0].last_line
    assert sink.complete[-1]["epoch"] == 4

    assert resumed(broken, sink) == expected


def test_sharded_optimizer_ends_with_the_same_weights(gang: MakeGang) -> None:
    whole = undisturbed(gang(epochs=2, optimizationStrategy="adam"))
    assert undisturbed(gang(epochs=2, optimizationStrategy="distributed_adam_optimized")) == whole


def test_stopped_gang_ends_with_the_same_weights(gang: MakeGang, sink: Sink) -> None:
    expected = undisturbed(gang(epochs=4))
    suspended = gang(epochs=4)
    first = suspended.start(TRAINER_STEP_SECONDS="0.05")
    first.passes(STEPS + 5)
    for rank in first.ranks:
        rank.send(signal.SIGTERM)
    assert first.wait() == [STOPPED] * 4
    assert sink.complete[-1]["epoch"] == 1
    assert "/epoch-1-step-" in sink.complete[-1]["uri"]

    assert resumed(suspended, sink) == expected


def test_one_stopped_rank_ends_with_the_same_weights(gang: MakeGang, sink: Sink) -> None:
    """As in a preemption: all ranks save together, and this rank exits first."""
    expected = undisturbed(gang(epochs=3))
    preempted = gang(epochs=3)
    first = preempted.start(TRAINER_STEP_SECONDS="0.05")
    first.passes(STEPS + 5)
    first.ranks[1].send(signal.SIGTERM)
    assert first.wait() == [STOPPED] * 4

    assert resumed(preempted, sink) == expected
