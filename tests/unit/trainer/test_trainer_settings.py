"""The trainer's settings and strategies, and its errors for unknown ones."""

import pytest

from stargate_trainer.exits import Exit, TrainerError
from stargate_trainer.settings import Settings, settings
from stargate_trainer.strategies import STRATEGIES, strategy


def test_empty_environment_gives_the_defaults() -> None:
    assert settings({"PATH": "/bin"}) == Settings()


def test_every_setting_has_a_variable() -> None:
    found = settings({"TRAINER_SEED": "7", "TRAINER_STEP_SECONDS": "0.5", "TRAINER_WIDTH": "64"})
    assert (found.seed, found.step_seconds, found.width) == (7, 0.5, 64)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TRAINER_SEED", "seven", "'seven' is not a whole number"),
        ("TRAINER_SEED", "-1", "must be at least 0, not -1"),
        ("TRAINER_STEP_SECONDS", "nan", "must be at least 0, not nan"),
        ("TRAINER_STEP_SECONDS", "inf", "must be at least 0, not inf"),
        ("TRAINER_BATCH_SIZE", "0", "must be at least 1, not 0"),
        ("TRAINER_WIDTH", "30", "must be a multiple of 4, not 30"),
        ("TRAINER_SEDE", "7", "there is no such setting; there are TRAINER_SEED, "),
    ],
)
def test_invalid_setting_is_refused_by_name(name: str, value: str, said: str) -> None:
    with pytest.raises(TrainerError) as refused:
        settings({name: value})
    assert str(refused.value).startswith(f"{name}: ")
    assert said in str(refused.value)
    assert refused.value.code is Exit.MISCONFIGURED


def test_article_strategy_shards_its_state() -> None:
    found = strategy("distributed_adam_optimized")
    assert (found.optimizer, found.sharded) == ("Adam", True)


def test_unknown_strategy_error_lists_the_known() -> None:
    with pytest.raises(TrainerError, match=r"spec\.optimizationStrategy: .*'lion'") as refused:
        strategy("lion")
    assert refused.value.code is Exit.MISCONFIGURED
    for known in STRATEGIES:
        assert known in str(refused.value)
