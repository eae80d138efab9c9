"""The invariants of DESIGN §8 hold through random lives, with an operator that may die anywhere."""

from random import Random

import pytest

from stargate_types.status import Phase
from tests.kit.builders import job
from tests.unit.toy import Toy


def life(seed: int, *, max_restarts: int = 1000) -> Toy:
    dice = Random(seed)
    nodes = dice.choice([1, 2, 3, 4])
    given = job(nodes=nodes, max_restarts=max_restarts, start_timeout=60, retain=2)
    toy = Toy(given, dice, nodes=dice.choice([nodes, nodes, nodes + 2]))
    toy.live_through(dice.randint(40, 160))
    return toy


def test_a_life_with_faults_ends_where_one_without_ends_and_then_rests() -> None:
    lives = []
    for seed in range(300):
        toy = life(seed)
        lives.append(toy)
        toy.come_to_rest()
        assert toy.job.status.phase is Phase.SUCCEEDED, seed
        writes = toy.writes
        assert not toy.operate(), seed
        assert toy.writes == writes, seed
    were_eventful(lives)


def were_eventful(lives: list[Toy]) -> None:
    """Or they would prove little."""
    assert len({cause for each in lives for cause in each.causes.values()}) >= 7
    assert sum(each.job.status.attempt for each in lives) > 600
    assert sum(len(each.complete) for each in lives) > 400
    assert sum(len(each.damaged) for each in lives) > 100


@pytest.mark.parametrize("most", [0, 1, 3])
def test_a_life_with_few_restarts_ends_too(most: int) -> None:
    for seed in range(1000, 1020):
        toy = life(seed, max_restarts=most)
        toy.come_to_rest()
        assert toy.job.status.phase in (Phase.SUCCEEDED, Phase.FAILED), seed
        assert not any(each.alive for each in toy.pods.values()), seed
