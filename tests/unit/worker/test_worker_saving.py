"""Saving a checkpoint: the shard of every rank, then the manifest, then the acknowledgement."""

import json
import threading
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

import pytest

from stargate_worker import (
    AttemptOver,
    CheckpointFailed,
    CheckpointRefused,
    NotAcknowledged,
    report_client,
)
from stargate_worker.protocol import Reply
from stargate_worker.saving import intervals
from tests.unit.worker.fake_operator import (
    URI,
    Gate,
    Operator,
    Rank,
    accepted,
    acknowledge,
    answers,
    eventually,
    gang,
    rank_of,
    refused,
)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_client, "_FIRST_PAUSE", 0.01)


def files(base: Path, name: str = "epoch-5") -> set[str]:
    return {path.name for path in (base / "attempt-1" / name).glob("*")}


@pytest.mark.parametrize("remote", [False, True], ids=["path", "fsspec"])
def test_gang_of_50_saves(tmp_path: Path, remote: bool) -> None:
    base = f"memory://{uuid4().hex}" if remote else tmp_path
    operator = Operator()
    savings = [rank.saver.save(5, None, b"w") for rank in gang(base, operator, nodes=50)]
    assert savings[0].wait(10)
    assert operator.reports[-1]["checkpoint"]["sizeBytes"] == 50


def test_gang_writes_shards_and_manifest(tmp_path: Path) -> None:
    operator = Operator()
    ranks = gang(tmp_path, operator, nodes=3)

    savings = [rank.saver.save(5, None, b"x" * n) for n, rank in enumerate(ranks, start=1)]

    assert all(saving.wait(5) for saving in savings)
    assert savings[0].uri == f"{URI}/attempt-1/epoch-5"
    told = operator.reports[-1]["checkpoint"]
    assert told == {"epoch": 5, "uri": savings[0].uri, "state": "Complete", "sizeBytes": 6}
    manifest = json.loads((tmp_path / "attempt-1/epoch-5/manifest.json").read_text())
    assert [shard["sizeBytes"] for shard in manifest["shards"]] == [1, 2, 3]
    assert files(tmp_path) == {
        "manifest.json",
        "acknowledged",
        *(f"shard-0000{n}-of-00003" for n in range(3)),
        *(f"shard-0000{n}-of-00003.json" for n in range(3)),
    }


def test_save_returns_before_the_shard_is_written(tmp_path: Path) -> None:
    gate = Gate()
    rank = Rank(rank_of(tmp_path, nodes=1), Operator())

    def slow(file: BinaryIO) -> None:
        gate.wait()
        file.write(b"weights")

    saving = rank.saver.save(5, None, slow)
    assert not saving.done
    gate.open()
    assert saving.wait(5)
    assert saving.done


def test_manifest_waits_for_every_shard(tmp_path: Path) -> None:
    operator = Operator()
    first, second = gang(tmp_path, operator)
    leading = first.saver.save(5, None, b"0")
    time.sleep(0.3)
    assert "manifest.json" not in files(tmp_path)
    assert not operator.reports

    second.saver.save(5, None, b"1")

    assert leading.wait(5)
    assert operator.checkpoints == [(5, "Complete")]


def test_files_are_complete_before_the_report(tmp_path: Path) -> None:
    seen: list[set[str]] = []

    def look(report: Mapping[str, Any]) -> Reply:
        seen.append(files(tmp_path))
        return acknowledge(report)

    Rank(rank_of(tmp_path, nodes=1), Operator(look)).saver.save(5, None, b"0").wait(5)

    assert seen == [{"manifest.json", "shard-00000-of-00001", "shard-00000-of-00001.json"}]


def test_missing_shards_are_named(tmp_path: Path) -> None:
    operator = Operator()
    ranks = gang(tmp_path, operator, nodes=4, shards_seconds=0.2)
    ranks[2].saver.save(5, None, b"2").wait(5)

    with pytest.raises(CheckpointFailed, match="ranks 1,3 did not come"):
        ranks[0].saver.save(5, None, b"0").wait(5)

    assert "manifest.json" not in files(tmp_path)
    assert not operator.checkpoints


def test_failed_shard_fails_the_checkpoint_at_once(tmp_path: Path) -> None:
    def full(file: BinaryIO) -> None:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    first, second = gang(tmp_path, Operator())
    leading = first.saver.save(5, None, b"0")

    with pytest.raises(CheckpointFailed, match="No space left"):
        second.saver.save(5, None, full).wait(5)
    with pytest.raises(
        CheckpointFailed, match=r"rank 1 could not write its shard: .*No space left"
    ):
        leading.wait(5)
    assert first.saver.save(10, None, b"0"), "training and saving go on"


def test_save_error_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def broken(file: BinaryIO) -> None:
        file.write(b"half")
        raise TypeError("cannot pickle a lambda")

    saving = Rank(rank_of(tmp_path, nodes=1), Operator()).saver.save(5, None, broken)

    assert saving.settle(5)
    assert isinstance(saving.error, CheckpointFailed)
    assert isinstance(saving.error.__cause__, TypeError)
    assert "cannot pickle a lambda" in caplog.text


def test_second_save_waits_for_the_first(tmp_path: Path) -> None:
    gate = Gate()
    rank = Rank(rank_of(tmp_path, nodes=1), Operator())
    first = rank.saver.save(5, None, lambda _: gate.wait())
    threading.Timer(0.2, gate.open).start()

    second = rank.saver.save(10, None, b"10")

    assert "manifest.json" in files(tmp_path, "epoch-5")
    assert first.wait(5)
    assert second.wait(5)


def test_absent_operator_hears_saves_in_order_later(
    tmp_path: Path,
) -> None:
    operator = Operator(answers(ConnectionRefusedError()))
    rank = Rank(rank_of(tmp_path, nodes=1), operator)
    savings = [rank.saver.save(epoch, None, b"weights") for epoch in (5, 10, 15)]
    eventually(lambda: "manifest.json" in files(tmp_path, "epoch-15"))
    assert not any(saving.done for saving in savings)
    heard = len(operator.checkpoints)

    operator.script = acknowledge

    assert all(saving.wait(5) for saving in savings)
    later = dict.fromkeys(epoch for epoch, _ in operator.checkpoints[heard:])
    assert list(later) == [5, 10, 15]


def test_checkpoint_waits_for_an_absent_operator(tmp_path: Path) -> None:
    operator = Operator(answers(*[ConnectionRefusedError()] * 5, refused(503, "x"), accepted()))
    saving = Rank(rank_of(tmp_path, nodes=1), operator).saver.save(5, None, b"0")
    eventually(lambda: len(operator.reports) > 6)
    assert not saving.done
    assert "acknowledged" not in files(tmp_path)

    operator.script = acknowledge

    assert saving.wait(5)
    assert "acknowledged" in files(tmp_path)


@pytest.mark.parametrize("fails", [False, True])
def test_model_is_released_once_written(tmp_path: Path, fails: bool) -> None:
    rank = Rank(rank_of(tmp_path, nodes=1), Operator(answers(ConnectionRefusedError())))
    model = Model(fails)
    held = weakref.ref(model)
    saving = rank.saver.save(5, None, model.write)
    del model
    eventually(lambda: held() is None)
    assert saving.done is fails
    rank.saver.abandon()


class Model:
    def __init__(self, fails: bool) -> None:
        self._fails = fails

    def write(self, file: BinaryIO) -> None:
        file.write(b"weights")
        if self._fails:
            raise OSError("disk full")


def test_refused_checkpoint_raises(tmp_path: Path) -> None:
    operator = Operator(answers(refused(409, "OlderCheckpoint", "one of epoch 10 stands")))
    with pytest.raises(CheckpointRefused, match="epoch 10 stands"):
        Rank(rank_of(tmp_path, nodes=1), operator).saver.save(5, None, b"0").wait(5)


def test_ended_attempt_saves_no_more(tmp_path: Path) -> None:
    rank = Rank(rank_of(tmp_path, nodes=1), Operator(answers(refused(409, "StaleAttempt"))))
    with pytest.raises(AttemptOver):
        rank.saver.save(5, None, b"0").wait(5)
    with pytest.raises(AttemptOver):
        rank.saver.save(10, None, b"0").wait(5)
    assert not files(tmp_path, "epoch-10")


def test_save_after_sigterm_ends_within_the_grace(tmp_path: Path) -> None:
    told = rank_of(tmp_path, nodes=1, STARGATE_GRACE_PERIOD_SECONDS="2")
    rank = Rank(told, Operator(answers(ConnectionRefusedError())))
    rank.shutdown.terminate()
    began = time.monotonic()

    with pytest.raises(NotAcknowledged):
        rank.saver.save(5, None, b"0").wait(10)

    assert 0.5 < time.monotonic() - began < 2


def test_mid_epoch_save_has_its_own_name(tmp_path: Path) -> None:
    operator = Operator()
    rank = Rank(rank_of(tmp_path, nodes=1), operator)
    rank.saver.save(5, None, b"0").wait(5)
    saving = rank.saver.save(5, 300, b"1")
    assert saving.wait(5)
    assert saving.uri.endswith("/epoch-5-step-300")
    reported = [each["checkpoint"] for each in operator.reports if "checkpoint" in each]
    assert ("step" in reported[0], reported[-1]["step"]) == (False, 300)
    assert (
        json.loads((tmp_path / "attempt-1/epoch-5-step-300/manifest.json").read_text())["step"]
        == 300
    )


@pytest.mark.parametrize(
    ("epoch", "step", "why"),
    [
        (5, None, "epoch-5 was saved already"),
        (101, None, "epoch: 101 is not in 0 to 100"),
        (-1, None, "epoch: -1"),
        (6, -1, "step: -1"),
    ],
)
def test_invalid_epoch_or_step_raises_at_once(
    tmp_path: Path, epoch: int, step: int | None, why: str
) -> None:
    rank = Rank(rank_of(tmp_path, nodes=1), Operator())
    rank.saver.save(5, None, b"0").wait(5)
    with pytest.raises(ValueError, match=why):
        rank.saver.save(epoch, step, b"1")


def test_torchrun_restart_changes_the_folder_name(tmp_path: Path) -> None:
    told = rank_of(
        tmp_path, LOCAL_RANK="0", RANK="0", WORLD_SIZE="1", TORCHELASTIC_RESTART_COUNT="1"
    )
    assert Rank(told, Operator()).saver.save(5, None, b"0").uri.endswith("/epoch-5-restart-1")


def test_leading_process_may_have_another_rank(tmp_path: Path) -> None:
    def process(node: int, rank: int) -> Rank:
        told = rank_of(tmp_path, node, LOCAL_RANK="0", RANK=str(rank), WORLD_SIZE="2")
        return Rank(told, operator)

    operator = Operator()
    leading = process(0, 1).saver.save(5, None, b"one")
    process(1, 0).saver.save(5, None, b"zero")

    assert leading.wait(5)
    manifest = json.loads((tmp_path / "attempt-1/epoch-5/manifest.json").read_text())
    assert [shard["sizeBytes"] for shard in manifest["shards"]] == [4, 3]


def test_other_ranks_read_acknowledgement_from_storage(tmp_path: Path) -> None:
    first, second = gang(tmp_path, Operator())
    second.saver.save(5, None, b"1").wait(5)
    assert not second.saver.acknowledged()
    first.saver.save(5, None, b"0").wait(5)
    assert second.saver.acknowledged()


def test_shards_of_another_job_are_ignored(tmp_path: Path) -> None:
    """A job that is deleted and applied again with the same `checkpoint.uri` starts at attempt 1."""
    for saving in [rank.saver.save(5, None, b"old") for rank in gang_of("older", tmp_path)]:
        saving.wait(5)
    first, second = gang_of("newer", tmp_path)

    leading = first.saver.save(5, None, b"new of 0")
    assert not leading.settle(0.5)
    second.saver.save(5, None, b"new of 1")
    assert leading.wait(5)

    manifest = json.loads((tmp_path / "attempt-1/epoch-5/manifest.json").read_text())
    assert [shard["sizeBytes"] for shard in manifest["shards"]] == [8, 8]


def gang_of(job_uid: str, base: Path) -> list[Rank]:
    told = [rank_of(base, rank, STARGATE_JOB_UID=job_uid) for rank in (0, 1)]
    operator = Operator()
    return [Rank(each, operator) for each in told]


def test_ranks_are_listed_as_intervals() -> None:
    assert intervals([1, 2, 3, 5, 7, 8]) == "1-3,5,7-8"
    assert intervals([]) == ""
    assert len(intervals(list(range(0, 5000, 2)))) < 200
