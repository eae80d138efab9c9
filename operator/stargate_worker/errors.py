"""The errors of this library, one class for each way in which a training loop can react.

Every message says what would be right. No error holds a token.
"""


class WorkerError(Exception):
    """Base class of every error that this library raises itself."""


class NotInAJob(WorkerError):
    """The environment is not that of a StargateJob's worker."""


class AttemptOver(WorkerError):
    """The operator accepts nothing more from this attempt: another one runs, or the job is deleted."""


class CheckpointFailed(WorkerError):
    """A checkpoint was not completed. Training may go on; the checkpoint before it remains."""


class CheckpointRefused(CheckpointFailed):
    """The operator refuses this checkpoint, however often it is reported."""


class NotAcknowledged(CheckpointFailed):
    """The checkpoint is complete, but the operator had not acknowledged it when time ran out."""


class DamagedCheckpoint(WorkerError):
    """The resume point differs from what was written. The library reports it to the operator."""


class StorageUnavailable(WorkerError):
    """The storage cannot be reached, which says nothing about the checkpoints on it."""


class WorldSizeChanged(WorkerError):
    """Another number of processes wrote the checkpoint."""
