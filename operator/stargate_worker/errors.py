"""What goes wrong in a worker, as errors that a training loop can tell apart.

Their messages say what would be right. None of them holds a token.
"""


class WorkerError(Exception):
    """Every error that this library raises by itself."""


class NotInAJob(WorkerError):
    """The environment is not that of a StargateJob's worker."""


class AttemptOver(WorkerError):
    """The operator wants nothing more of this attempt: another one runs, or the job is gone."""


class CheckpointFailed(WorkerError):
    """A checkpoint did not come to be; training may go on, the one before it stands."""


class CheckpointRefused(CheckpointFailed):
    """The operator will not take this checkpoint, however often it is reported."""


class NotAcknowledged(CheckpointFailed):
    """The checkpoint is whole, but there was no time left to hear that it counts."""


class DamagedCheckpoint(WorkerError):
    """The resume point cannot be read as it was written; the operator knows, or will be told."""


class StorageUnavailable(WorkerError):
    """The storage itself is not there, which says nothing about the checkpoint in it."""


class WorldSizeChanged(WorkerError):
    """The checkpoint was written by another number of processes."""
