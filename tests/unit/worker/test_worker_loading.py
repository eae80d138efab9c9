"""Loading a resume point: verification, certain damage, and errors that are no damage."""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from stargate_worker import DamagedCheckpoint, Shard, StorageUnavailable, WorldSizeChanged
from stargate_worker.environment import Environment
from stargate_worker.loading import load
from tests.unit.worker.fake_operator import Operator, gang, rank_of, resumed


def saved(base: Path | str, nodes: int = 2, step: int | None = None) -> None:
    ranks = gang(base, Operator(), nodes=nodes)
    for saving in [rank.saver.save(5, step, b"weights of %d" % n) for n, rank in enumerate(ranks)]:
        saving.wait(5)


def loaded(told: Environment) -> Shard:
    assert told.resume is not None
    return load(told, told.resume, lambda: None)


@pytest.mark.parametrize("remote", [False, True], ids=["path", "fsspec"])
def test_every_rank_loads_its_own_shard(tmp_path: Path, remote: bool) -> None:
    base = f"memory://{uuid4().hex}" if remote else str(tmp_path)
    saved(base)

    shards = [loaded(resumed(base, "epoch-5", 5, rank)) for rank in (0, 1)]

    assert [shard.read() for shard in shards] == [b"weights of 0", b"weights of 1"]
    assert [(shard.epoch, shard.step, shard.attempt) for shard in shards] == [(5, None, 1)] * 2
    with shards[0].open() as file:
        assert file.read(7) == b"weights"


def test_shard_has_the_step_of_its_save(tmp_path: Path) -> None:
    saved(tmp_path, step=300)
    assert loaded(resumed(tmp_path, "epoch-5-step-300", 5)).step == 300


def test_warm_start_keeps_the_checkpoint_s_epoch(tmp_path: Path) -> None:
    saved(tmp_path)
    assert loaded(resumed(tmp_path, "epoch-5", 0)).epoch == 5


@pytest.mark.parametrize(
    ("epoch", "step", "wrong"),
    [
        (5, "", None),
        (5, "300", None),
        (5, "301", "step 300, not 301"),
        (4, "300", "epoch 5, not 4"),
        (0, "300", "epoch 5, not 0"),
        (0, "", None),
    ],
    ids=["epoch alone", "both", "other step", "other epoch", "epoch 0", "warm start"],
)
def test_checkpoint_of_another_position_is_damage(
    tmp_path: Path, epoch: int, step: str, wrong: str | None
) -> None:
    saved(tmp_path, step=300)
    told = resumed(tmp_path, "epoch-5-step-300", epoch, STARGATE_RESUME_STEP=step)
    if wrong is None:
        assert loaded(told).step == 300
        return
    with pytest.raises(DamagedCheckpoint, match=wrong):
        loaded(told)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a flipped byte": lambda at: flip(at / "shard-00001-of-00002"),
    "a truncated shard": lambda at: (at / "shard-00001-of-00002").write_bytes(b"weig"),
    "an empty shard": lambda at: (at / "shard-00001-of-00002").write_bytes(b""),
    "a longer shard": lambda at: (at / "shard-00001-of-00002").write_bytes(b"weights of 1" * 2),
    "a missing shard": lambda at: (at / "shard-00001-of-00002").unlink(),
    "a missing manifest": lambda at: (at / "manifest.json").unlink(),
    "a torn manifest": lambda at: (at / "manifest.json").write_bytes(b'{"version": 1'),
    "a flipped byte in the manifest": lambda at: flip(at / "manifest.json"),
    "no folder, and others beside it": lambda at: at.rename(at.with_name("epoch-4")),
}


@pytest.mark.parametrize("harm", DAMAGE.values(), ids=DAMAGE)
def test_altered_file_is_damage(tmp_path: Path, harm: Callable[[Path], object]) -> None:
    saved(tmp_path)
    harm(tmp_path / "attempt-1" / "epoch-5")
    with pytest.raises(DamagedCheckpoint):
        loaded(resumed(tmp_path, "epoch-5", 5, rank=1))


def test_unexpected_epoch_is_damage(tmp_path: Path) -> None:
    saved(tmp_path)
    with pytest.raises(DamagedCheckpoint, match="holds epoch 5, not 10"):
        loaded(resumed(tmp_path, "epoch-5", 10))


@pytest.mark.parametrize("remote", [False, True], ids=["path", "fsspec"])
def test_missing_storage_is_not_damage(tmp_path: Path, remote: bool) -> None:
    base = f"memory://{uuid4().hex}" if remote else str(tmp_path / "not mounted")
    with pytest.raises(StorageUnavailable, match="can this worker reach the storage"):
        loaded(resumed(base, "epoch-5", 5))


def test_failing_storage_is_not_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path)

    def stale(path: Path) -> bytes:
        raise OSError(116, "Stale file handle", str(path))

    monkeypatch.setattr(Path, "read_bytes", stale)
    with pytest.raises(OSError, match="Stale"):
        loaded(resumed(tmp_path, "epoch-5", 5))


def test_another_world_size_raises_its_own_error(tmp_path: Path) -> None:
    saved(tmp_path, nodes=2)
    with pytest.raises(WorldSizeChanged, match="by 2 processes, and this gang has 3"):
        loaded(resumed(tmp_path, "epoch-5", 5, nodes=3))


def test_reading_bytes_is_a_sign_of_life(tmp_path: Path) -> None:
    saved(tmp_path)
    signs: list[int] = []
    told = resumed(tmp_path, "epoch-5", 5)
    assert told.resume
    load(told, told.resume, lambda: signs.append(1))
    assert signs


def test_loading_writes_nothing(tmp_path: Path) -> None:
    saved(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    loaded(resumed(tmp_path, "epoch-5", 5))
    assert rank_of(tmp_path).resume is None
    assert sorted(tmp_path.rglob("*")) == before
