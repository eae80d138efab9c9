"""Reads this rank's shard of the resume point, and believes nothing that it has not verified.

Damaged is said only of what is surely so, because it cannot be unsaid: a storage that is not
there, or does not answer, is an error of this attempt and costs no checkpoint.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from stargate_worker.checkpoint_format import MANIFEST, Manifest, shard_name
from stargate_worker.environment import Environment, ResumePoint
from stargate_worker.errors import DamagedCheckpoint, StorageUnavailable, WorldSizeChanged
from stargate_worker.storage import Fetched, Folder, Written, folder_at

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shard:
    """What this rank saved, verified. `path` is local, and stays while the shard is held.

    `epoch` and `step` are the save's: after a warm start the job's own epochs begin at 0.
    """

    epoch: int
    step: int | None
    attempt: int
    fetched: Fetched = field(repr=False)

    @property
    def path(self) -> Path:
        return self.fetched.path

    def open(self) -> BinaryIO:
        return self.path.open("rb")

    def read(self) -> bytes:
        return self.path.read_bytes()


def load(environment: Environment, resume: ResumePoint, moved: Callable[[], None]) -> Shard:
    """Raises DamagedCheckpoint where what was written is not what is there."""
    folder = folder_at(resume.path)
    manifest = _manifest(folder, resume)
    ours = environment.processes
    if manifest.world_size != ours.world_size:
        raise WorldSizeChanged(
            f"{resume.uri} was written by {manifest.world_size} processes, and this gang has"
            f" {ours.world_size}: its shards fit only as many"
        )
    name = shard_name(ours.rank, ours.world_size)
    fetched = _verified(folder, name, manifest.shards[ours.rank], moved)
    _log.info("the shard %s of %s is verified", name, resume.uri)
    return Shard(manifest.epoch, manifest.step, manifest.attempt, fetched)


def _manifest(folder: Folder, resume: ResumePoint) -> Manifest:
    try:
        manifest = Manifest.decode(folder.get(MANIFEST))
    except FileNotFoundError:
        _need_storage(folder)
        raise DamagedCheckpoint(f"{resume.uri} has no {MANIFEST}") from None
    if resume.epoch and manifest.epoch != resume.epoch:
        raise DamagedCheckpoint(
            f"{resume.uri} holds epoch {manifest.epoch}, not {resume.epoch} as is on record"
        )
    return manifest


def _need_storage(folder: Folder) -> None:
    """Not one trace of any checkpoint around it: more likely that this is not the storage."""
    if not (folder.names() or folder.above(1).names() or folder.above(2).names()):
        raise StorageUnavailable(
            f"there is nothing at {folder.location} nor around it: is the storage that holds the"
            " job's checkpoints reached from this worker, and does it outlive a pod?"
        )


def _verified(folder: Folder, name: str, told: Written, moved: Callable[[], None]) -> Fetched:
    try:
        fetched, found = folder.fetch(name, moved)
    except FileNotFoundError:
        raise DamagedCheckpoint(f"{folder.location}/{name} is missing") from None
    if found.size_bytes != told.size_bytes:
        raise DamagedCheckpoint(
            f"{folder.location}/{name} has {found.size_bytes} bytes, not {told.size_bytes}"
        )
    if found.sha256 != told.sha256:
        raise DamagedCheckpoint(
            f"{folder.location}/{name} has another sha256 than the manifest says"
        )
    return fetched
