"""Reads this rank's shard of the resume point, and verifies its size and checksum.

A checkpoint reported as damaged is never used again, so this module reports only certain damage. A
storage that is absent or does not answer is an error of this attempt and costs no checkpoint.

See docs/decisions/0007-damaged-is-said-only-of-what-was-read.md.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from stargate_worker.checkpoint_format import MANIFEST, Manifest, shard_name
from stargate_worker.environment import Environment, ResumePoint
from stargate_worker.errors import DamagedCheckpoint, StorageUnavailable, WorldSizeChanged
from stargate_worker.storage import Fetched, FileDigest, Folder, folder_at

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shard:
    """This rank's shard, verified. `epoch` and `step` are those at which it was saved.

    After a warm start they belong to the other job; this job's epochs begin at 0.
    """

    epoch: int
    step: int | None
    attempt: int
    fetched: Fetched = field(repr=False)

    @property
    def path(self) -> Path:
        """A local file. A downloaded one is deleted when nothing refers to this Shard any more."""
        return self.fetched.path

    def open(self) -> BinaryIO:
        """The shard as a file to read."""
        return self.path.open("rb")

    def read(self) -> bytes:
        """The whole shard."""
        return self.path.read_bytes()


def load(environment: Environment, resume: ResumePoint, on_progress: Callable[[], None]) -> Shard:
    """The shard of this rank. Calls `on_progress` as bytes are read.

    Raises DamagedCheckpoint where the files differ from what was written, WorldSizeChanged where
    another number of processes wrote them, StorageUnavailable or OSError where the storage fails.
    """
    folder = folder_at(resume.path)
    manifest = _manifest(folder, resume)
    ours = environment.processes
    if manifest.world_size != ours.world_size:
        raise WorldSizeChanged(
            f"{resume.uri} was written by {manifest.world_size} processes, and this gang has"
            f" {ours.world_size}: the numbers must be equal"
        )
    name = shard_name(ours.rank, ours.world_size)
    fetched = _verified(folder, name, manifest.shards[ours.rank], on_progress)
    _log.info("the shard %s of %s is verified", name, resume.uri)
    return Shard(manifest.epoch, manifest.step, manifest.attempt, fetched)


def _manifest(folder: Folder, resume: ResumePoint) -> Manifest:
    try:
        manifest = Manifest.decode(folder.get(MANIFEST))
    except FileNotFoundError:
        _need_storage(folder)
        raise DamagedCheckpoint(f"{resume.uri} has no {MANIFEST}") from None
    _need_position(manifest, resume)
    return manifest


def _need_position(manifest: Manifest, resume: ResumePoint) -> None:
    """Nothing is known of the position of a warm start, which has epoch 0 and no step."""
    known = bool(resume.epoch) or resume.step is not None
    if known and manifest.epoch != resume.epoch:
        raise DamagedCheckpoint(
            f"{resume.uri} holds epoch {manifest.epoch}, not {resume.epoch} as the job's status says"
        )
    if resume.step is not None and manifest.step != resume.step:
        raise DamagedCheckpoint(
            f"{resume.uri} holds step {manifest.step}, not {resume.step} as the job's status says"
        )


def _need_storage(folder: Folder) -> None:
    """Raises StorageUnavailable where the folders above are empty too: the volume is not mounted."""
    if not (folder.names() or folder.above(1).names() or folder.above(2).names()):
        raise StorageUnavailable(
            f"there is nothing at {folder.location}, nor in the folders above: can this worker reach"
            " the storage that holds the job's checkpoints, and does the storage outlive a pod?"
        )


def _verified(
    folder: Folder, name: str, expected: FileDigest, on_progress: Callable[[], None]
) -> Fetched:
    try:
        fetched, found = folder.fetch(name, on_progress)
    except FileNotFoundError:
        raise DamagedCheckpoint(f"{folder.location}/{name} is missing") from None
    if found.size_bytes != expected.size_bytes:
        raise DamagedCheckpoint(
            f"{folder.location}/{name} has {found.size_bytes} bytes, not {expected.size_bytes}"
        )
    if found.sha256 != expected.sha256:
        raise DamagedCheckpoint(
            f"{folder.location}/{name} has another sha256 than the manifest states"
        )
    return fetched
