"""How a checkpoint lies on its storage, by name and content. Pure.

    <attempt's folder>/epoch-45/shard-00003-of-00008        what rank 3 wrote
                                shard-00003-of-00008.json   its size and sha256, written after it
                                manifest.json               every shard's, written last, by one rank
                                acknowledged                the operator has it on record

A checkpoint without a manifest does not exist. The manifest carries the sum of its own content, so
that a flipped byte in it is found too.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from stargate_worker.errors import DamagedCheckpoint
from stargate_worker.storage import Written

MANIFEST = "manifest.json"
ACKNOWLEDGED = "acknowledged"
_VERSION = 1


@dataclass(frozen=True)
class Manifest:
    job_uid: str
    attempt: int
    epoch: int
    step: int | None
    shards: tuple[Written, ...]

    @property
    def world_size(self) -> int:
        return len(self.shards)

    @property
    def size_bytes(self) -> int:
        return sum(each.size_bytes for each in self.shards)

    def encode(self) -> bytes:
        told = {
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
        return json.dumps(told | {"sha256": _sum(told)}, indent=1).encode()

    @classmethod
    def decode(cls, data: bytes) -> "Manifest":
        told = _object(data, MANIFEST)
        if told.pop("sha256", None) != _sum(told):
            raise DamagedCheckpoint(f"{MANIFEST} is not what was written: its checksum is another")
        if told.get("version") != _VERSION:
            raise DamagedCheckpoint(
                f"{MANIFEST} is of version {told.get('version')}, this library reads {_VERSION}"
            )
        return cls(
            job_uid=told["jobUid"],
            attempt=told["attempt"],
            epoch=told["epoch"],
            step=told["step"],
            shards=tuple(_written(each, MANIFEST) for each in told["shards"]),
        )


def checkpoint_name(epoch: int, step: int | None = None, restarts: int = 0) -> str:
    """torchrun's restarts stand in it: processes that start again must not mix with their past."""
    within = "" if step is None else f"-step-{step}"
    again = f"-restart-{restarts}" if restarts else ""
    return f"epoch-{epoch}{within}{again}"


def shard_name(rank: int, world_size: int) -> str:
    return f"shard-{rank:05d}-of-{world_size:05d}"


def sidecar_name(rank: int, world_size: int) -> str:
    return f"{shard_name(rank, world_size)}.json"


def encode_sidecar(job_uid: str, written: Written) -> bytes:
    return json.dumps({"jobUid": job_uid, **_wire(written)}).encode()


def encode_failure(job_uid: str, why: str) -> bytes:
    """In a sidecar's place: whoever waits for it need not wait in vain."""
    return json.dumps({"jobUid": job_uid, "failed": why[:500]}).encode()


def decode_sidecar(job_uid: str, data: bytes) -> Written | str | None:
    """What was written, or why nothing was.

    None: by a job of before, whose user gave both the same place.
    """
    told = _object(data, "a shard's .json")
    if told.get("jobUid") != job_uid:
        return None
    if "failed" in told:
        return str(told["failed"])
    return _written(told, "a shard's .json")


def deletable(uri: str, *, checkpoint_uri: str, checkpoint_path: str, attempt: int) -> str | None:
    """Where the worker finds a checkpoint that the operator no longer retains.

    None for what does not lie in an attempt's folder of this very job: an old checkpoint that the
    job was started from belongs to somebody else.
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


def _wire(written: Written) -> dict[str, Any]:
    return {"sizeBytes": written.size_bytes, "sha256": written.sha256}


def _written(told: Mapping[str, Any], where: str) -> Written:
    match told:
        case {"sizeBytes": int(size), "sha256": str(checksum)}:
            return Written(size, checksum)
    raise DamagedCheckpoint(f"{where} does not say what a shard measures")


def _object(data: bytes, what: str) -> dict[str, Any]:
    try:
        told = json.loads(data)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise DamagedCheckpoint(f"{what} is no JSON object")
    return told


def _sum(told: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
