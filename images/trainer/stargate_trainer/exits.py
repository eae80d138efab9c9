"""How the trainer ends: each kind of failure has an exit code and a last line with the reason.

The operator shows the exit code and the last log lines in the attempt, so the last line must be the
explanation. The codes are those of sysexits.h. None is between 129 and 192, which stand for signals,
except 143 (SIGTERM), with which a worker exits after a request to stop.
"""

from enum import IntEnum

from stargate_worker import (
    AttemptOver,
    CheckpointFailed,
    DamagedCheckpoint,
    NotInAJob,
    StorageUnavailable,
    WorldSizeChanged,
)


class Exit(IntEnum):
    DONE = 0
    BROKEN = 1
    CHECKPOINT_UNUSABLE = 65
    DATASET_UNUSABLE = 66
    NO_RENDEZVOUS = 69
    RANKS_DISAGREE = 70
    STORAGE_UNUSABLE = 74
    PEER_LOST = 75
    MISCONFIGURED = 78
    STOPPED = 143


class TrainerError(Exception):
    """Ends the trainer with this code; the message becomes its last log line."""

    def __init__(self, code: Exit, message: str) -> None:
        super().__init__(message)
        self.code = code


_OF_THE_WORKER = {
    NotInAJob: Exit.MISCONFIGURED,
    DamagedCheckpoint: Exit.CHECKPOINT_UNUSABLE,
    WorldSizeChanged: Exit.CHECKPOINT_UNUSABLE,
    StorageUnavailable: Exit.STORAGE_UNUSABLE,
    CheckpointFailed: Exit.STORAGE_UNUSABLE,
    AttemptOver: Exit.STOPPED,
}
_SIGNS_OF_A_LOST_PEER = ("gloo", "connection closed by peer", "connection reset", "broken pipe")


def as_trainer_error(error: Exception) -> TrainerError:
    """The trainer's error for any exception, for the message of the attempt."""
    if isinstance(error, TrainerError):
        return error
    said = " ".join(str(error).split()) or "no message"
    for kind, code in _OF_THE_WORKER.items():
        if isinstance(error, kind):
            return TrainerError(code, said)
    if isinstance(error, RuntimeError) and _tells_of_a_lost_peer(said):
        return TrainerError(Exit.PEER_LOST, f"another rank is gone or stuck: {said}")
    return TrainerError(Exit.BROKEN, f"{type(error).__name__}: {said}")


def _tells_of_a_lost_peer(said: str) -> bool:
    return any(sign in said.lower() for sign in _SIGNS_OF_A_LOST_PEER)
