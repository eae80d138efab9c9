"""The library for training processes in the pods of a StargateJob; see docs/worker.md.

    with stargate_worker.join() as worker:
        shard = worker.load()
        ...
        worker.report(epoch=epoch, metrics={"loss": loss})
        worker.save(epoch, lambda file: torch.save(state, file))

It needs the standard library alone, and fsspec where checkpoints are not on a mounted path. It shares
no code with the operator: a training image needs this package and no other of the project.
"""

from stargate_worker.environment import ResumePoint
from stargate_worker.errors import (
    AttemptOver,
    CheckpointFailed,
    CheckpointRefused,
    DamagedCheckpoint,
    NotAcknowledged,
    NotInAJob,
    StorageUnavailable,
    WorkerError,
    WorldSizeChanged,
)
from stargate_worker.loading import Shard
from stargate_worker.saving import Saving
from stargate_worker.storage import Folder, Writer, folder_at
from stargate_worker.worker import EXIT_STOPPED, Worker, join

__all__ = [
    "EXIT_STOPPED",
    "AttemptOver",
    "CheckpointFailed",
    "CheckpointRefused",
    "DamagedCheckpoint",
    "Folder",
    "NotAcknowledged",
    "NotInAJob",
    "ResumePoint",
    "Saving",
    "Shard",
    "StorageUnavailable",
    "Worker",
    "WorkerError",
    "WorldSizeChanged",
    "Writer",
    "folder_at",
    "join",
]
