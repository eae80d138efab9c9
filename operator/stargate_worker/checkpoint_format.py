"""The files of a checkpoint on its storage: their names and their content. Pure.

    <attempt's folder>/epoch-45/shard-00003-of-00008        what rank 3 wrote
                                shard-00003-of-00008.json   its size and sha256, written after it
                                manifest.json               those of all shards, written last
                                acknowledged                written when the operator has recorded it

A checkpoint without a manifest does not exist. The manifest holds the checksum of its own content, so
that a flipped byte in it is found too.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from stargate_worker.errors import DamagedCheckpoint
from stargate_worker.storage import FileDigest

MANIFEST = "manifest.json"
ACKNOWLEDGED = "acknowledged"
_VERSION = 1


@dataclass(frozen=True)
class Manifest:
    """The parts of a checkpoint. `shards` is in the order of ranks."""

    job_uid: str
    attempt: int
    epoch: int
    step: int | None
    shards: tuple[FileDigest, ...]

    @property
    def world_size(self) -> int:
        """Number of processes that wrote it."""
        return len(self.shards)

    @property
    def size_bytes(self) -> int:
        """Size of all shards in bytes."""
        return sum(shard.size_bytes for shard in self.shards)

    def encode(self) -> bytes:
        """The content of the manifest file."""
        content = {
            "version": _VERSION,
            "jobUid": self.job_uid,
            "attempt": self.attempt,
            "epoch": self.epoch,
            "step": self.step,
            "worldSize": self.world_size,
            "sizeBytes": self.size_bytes,
            "shards": [
                {"name": shard_name(rank, self.world_size), **_wire(shard)}
                for rank, shard in enumerate(self.shards)
            ],
        }
        return json.dumps(content | {"sha256": _checksum(content)}, indent=1).encode()

    @classmethod
    def decode(cls, data: bytes) -> "Manifest":
        """Reads a manifest file. Raises DamagedCheckpoint where a byte of it was changed."""
        content = _object(data, MANIFEST)
        if content.pop("sha256", None) != _checksum(content):
            raise DamagedCheckpoint(f"{MANIFEST} was changed: its checksum does not match")
        if content.get("version") != _VERSION:
            raise DamagedCheckpoint(
                f"{MANIFEST} has version {content.get('version')}, this library reads {_VERSION}"
            )
        return cls(
            job_uid=content["jobUid"],
            attempt=content["attempt"],
            epoch=content["epoch"],
            step=content["step"],
            shards=tuple(_digest(shard, MANIFEST) for shard in content["shards"]),
        )


def checkpoint_name(epoch: int, step: int | None = None, restarts: int = 0) -> str:
    """Name of a checkpoint's folder: `epoch-45`, `epoch-45-step-300`.

    It includes torchrun's restarts, so that restarted processes do not mix files with earlier ones.
    """
    mid_epoch = "" if step is None else f"-step-{step}"
    restarted = f"-restart-{restarts}" if restarts else ""
    return f"epoch-{epoch}{mid_epoch}{restarted}"


def shard_name(rank: int, world_size: int) -> str:
    """Name of a rank's shard: `shard-00003-of-00008`."""
    return f"shard-{rank:05d}-of-{world_size:05d}"


def sidecar_name(rank: int, world_size: int) -> str:
    """Name of the file that describes a rank's shard."""
    return f"{shard_name(rank, world_size)}.json"


def encode_sidecar(job_uid: str, digest: FileDigest) -> bytes:
    """The content of the file that describes a shard."""
    return json.dumps({"jobUid": job_uid, **_wire(digest)}).encode()


def encode_failure(job_uid: str, why: str) -> bytes:
    """The content of the same file for a shard that failed, so that the leading rank need not wait."""
    return json.dumps({"jobUid": job_uid, "failed": why[:500]}).encode()


def decode_sidecar(job_uid: str, data: bytes) -> FileDigest | str | None:
    """The digest of a shard, or the reason why it failed.

    None where an earlier job wrote the file, because its user gave both jobs the same folder.
    """
    content = _object(data, "a shard's .json")
    if content.get("jobUid") != job_uid:
        return None
    if "failed" in content:
        return str(content["failed"])
    return _digest(content, "a shard's .json")


def deletable(uri: str, *, checkpoint_uri: str, checkpoint_path: str, attempt: int) -> str | None:
    """The location of a checkpoint that may be deleted, as this worker sees it.

    None for a checkpoint outside of this job's attempt folders: the one that a job was started from,
    for example, belongs to another job.
    """
    suffix = f"/attempt-{attempt}"
    base, path = checkpoint_uri.rstrip("/"), checkpoint_path.rstrip("/")
    if not (base.endswith(suffix) and path.endswith(suffix)):
        return None
    base, path = base.removesuffix(suffix), path.removesuffix(suffix)
    if not uri.startswith(f"{base}/attempt-"):
        return None
    parts = uri.removeprefix(f"{base}/").rstrip("/").split("/")
    if len(parts) < 2 or any(unquote(part) in ("", ".", "..") for part in parts):
        return None
    return "/".join([path, *parts])


def _wire(digest: FileDigest) -> dict[str, Any]:
    return {"sizeBytes": digest.size_bytes, "sha256": digest.sha256}


def _digest(content: Mapping[str, Any], file: str) -> FileDigest:
    match content:
        case {"sizeBytes": int(size), "sha256": str(checksum)}:
            return FileDigest(size, checksum)
    raise DamagedCheckpoint(f"{file} lacks the size or the sha256 of a shard")


def _object(data: bytes, file: str) -> dict[str, Any]:
    try:
        content = json.loads(data)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise DamagedCheckpoint(f"{file} is not a JSON object")
    return content


def _checksum(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
