"""Names and content of a checkpoint's files, and which checkpoints may be deleted."""

import json

import pytest

from stargate_worker import DamagedCheckpoint
from stargate_worker.checkpoint_format import (
    Manifest,
    checkpoint_name,
    decode_sidecar,
    deletable,
    encode_failure,
    encode_sidecar,
    shard_name,
)
from stargate_worker.storage import FileDigest

SHARDS = (FileDigest(3, "a" * 64), FileDigest(4, "b" * 64))
MANIFEST = Manifest(job_uid="uid", attempt=2, epoch=45, step=None, shards=SHARDS)


def test_file_names_hold_epoch_step_and_rank() -> None:
    assert checkpoint_name(45) == "epoch-45"
    assert checkpoint_name(45, 300) == "epoch-45-step-300"
    assert checkpoint_name(45, restarts=1) == "epoch-45-restart-1"
    assert shard_name(3, 5000) == "shard-00003-of-05000"


def test_manifest_is_read_as_it_was_written() -> None:
    assert Manifest.decode(MANIFEST.encode()) == MANIFEST
    assert (MANIFEST.world_size, MANIFEST.size_bytes) == (2, 7)


def test_changed_byte_of_a_manifest_is_damage() -> None:
    data = MANIFEST.encode()
    meaning = json.loads(data)
    for at in range(len(data)):
        flipped = data[:at] + bytes([data[at] ^ 0x01]) + data[at + 1 :]
        try:
            found = Manifest.decode(flipped)
        except DamagedCheckpoint:
            continue
        assert (json.loads(flipped), found) == (meaning, MANIFEST)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"null", b'{"sha256": 1}', MANIFEST.encode()[:-9]]
)
def test_malformed_manifest_is_damage(data: bytes) -> None:
    with pytest.raises(DamagedCheckpoint, match=r"manifest\.json"):
        Manifest.decode(data)


def test_sidecar_holds_the_digest_or_the_failure() -> None:
    assert decode_sidecar("uid", encode_sidecar("uid", SHARDS[0])) == SHARDS[0]
    assert decode_sidecar("uid", encode_failure("uid", "disk full")) == "disk full"


def test_sidecar_of_another_job_is_ignored() -> None:
    assert decode_sidecar("uid", encode_sidecar("older", SHARDS[0])) is None


def where(uri: str, *, path: str = "/data/c/attempt-2") -> str | None:
    return deletable(uri, checkpoint_uri="st://c/attempt-2", checkpoint_path=path, attempt=2)


def test_checkpoint_of_any_attempt_is_deletable() -> None:
    assert where("st://c/attempt-1/epoch-5") == "/data/c/attempt-1/epoch-5"
    assert where("st://c/attempt-2/epoch-9/") == "/data/c/attempt-2/epoch-9"
    assert (
        where("st://c/attempt-1/epoch-5", path="s3://b/c/attempt-2") == "s3://b/c/attempt-1/epoch-5"
    )


@pytest.mark.parametrize(
    "uri",
    [
        "st://c",
        "st://c/attempt-1",
        "st://c/attempt-1/",
        "st://c/attempt-1/..",
        "st://c/attempt-1/../..",
        "st://c/attempt-1/%2e%2e",
        "st://c/attempt-1/./epoch-5",
        "st://c/attempt-1//epoch-5",
        "st://c/other/epoch-5",
        "st://cc/attempt-1/epoch-5",
        "s3://elsewhere/run/epoch-30",
        "/data/c/attempt-1/epoch-5",
        "",
    ],
)
def test_folder_outside_of_the_job_is_not_deletable(uri: str) -> None:
    assert where(uri) is None


def test_nothing_is_deletable_without_an_attempt_folder() -> None:
    assert where("st://c/attempt-1/epoch-5", path="/data/c") is None
