"""The trainer's exit codes for the operator, and its last log line for people."""

import pytest

from stargate_trainer.exits import Exit, TrainerError, as_trainer_error
from stargate_worker import (
    EXIT_STOPPED,
    AttemptOver,
    CheckpointRefused,
    DamagedCheckpoint,
    NotInAJob,
    StorageUnavailable,
    WorldSizeChanged,
)


def test_only_the_stopped_code_stands_for_a_signal() -> None:
    assert [each for each in Exit if each in range(129, 193)] == [Exit.STOPPED]
    assert Exit.STOPPED == EXIT_STOPPED


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TrainerError(Exit.RANKS_DISAGREE, "said"), Exit.RANKS_DISAGREE),
        (NotInAJob("said"), Exit.MISCONFIGURED),
        (DamagedCheckpoint("said"), Exit.CHECKPOINT_UNUSABLE),
        (WorldSizeChanged("said"), Exit.CHECKPOINT_UNUSABLE),
        (StorageUnavailable("said"), Exit.STORAGE_UNUSABLE),
        (CheckpointRefused("said"), Exit.STORAGE_UNUSABLE),
        (AttemptOver("said"), Exit.STOPPED),
        (RuntimeError("[gloo/pair.cc:534] Connection closed by peer: said"), Exit.PEER_LOST),
        (RuntimeError("Connection reset by peer: said"), Exit.PEER_LOST),
        (RuntimeError("mat1 and mat2 cannot be multiplied: said"), Exit.BROKEN),
        (KeyError("said"), Exit.BROKEN),
    ],
)
def test_every_error_has_its_code_and_message(error: Exception, code: Exit) -> None:
    found = as_trainer_error(error)
    assert found.code is code
    assert "said" in str(found)


def test_error_message_is_one_line() -> None:
    assert "\n" not in str(as_trainer_error(ValueError("several\nlines\nsaid")))
