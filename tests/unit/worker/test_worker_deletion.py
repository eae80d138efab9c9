"""Only checkpoints that an answer lists are deleted."""

from pathlib import Path
from typing import Any

import pytest

from stargate_worker.deletion import CheckpointDeleter
from stargate_worker.environment import Environment
from stargate_worker.shutdown import Shutdown
from tests.unit.worker.fake_operator import URI, eventually, rank_of


def checkpoint(base: Path, name: str) -> Path:
    folder = base / "attempt-1" / name
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    (folder / "shard-00000-of-00001").write_text("weights")
    return folder


def started(told: Environment, shutdown: Shutdown, **rest: Any) -> CheckpointDeleter:
    deleter = CheckpointDeleter(told, shutdown, **rest)
    deleter.start()
    return deleter


def test_listed_checkpoint_is_deleted_alone(tmp_path: Path) -> None:
    old, new = checkpoint(tmp_path, "epoch-5"), checkpoint(tmp_path, "epoch-50")
    deleter = started(rank_of(tmp_path, attempt=2), Shutdown(30))

    deleter.enqueue((f"{URI}/attempt-1/epoch-5",))

    eventually(lambda: not old.exists())
    assert len(list(new.iterdir())) == 2


def test_checkpoint_outside_of_the_job_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    warm_start = checkpoint(tmp_path / "other", "epoch-5")
    deleter = started(rank_of(tmp_path / "ours"), Shutdown(30))

    deleter.enqueue((str(warm_start), f"{URI}/attempt-1/../../other/attempt-1/epoch-5"))
    deleter.close(5)

    assert warm_start.exists()
    assert caplog.text.count("it stays") == 2


def test_ended_attempt_deletes_nothing(tmp_path: Path) -> None:
    old = checkpoint(tmp_path, "epoch-5")
    shutdown = Shutdown(30)
    shutdown.end_attempt("attempt 2 is current")
    deleter = started(rank_of(tmp_path), shutdown)
    deleter.enqueue((f"{URI}/attempt-1/epoch-5",))
    deleter.close(5)
    assert old.exists()


def test_failed_deletion_is_logged_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    old = checkpoint(tmp_path, "epoch-5")
    deleter = started(rank_of(tmp_path), Shutdown(30), retry_seconds=0.5)
    listed = (f"{URI}/attempt-1/epoch-5",)

    with monkeypatch.context() as broken:
        broken.setattr("shutil.rmtree", _refuse)
        deleter.enqueue(listed)
        eventually(lambda: "could not be deleted" in caplog.text)
        for _ in range(5):
            deleter.enqueue(listed)
    assert caplog.text.count("could not be deleted") == 1

    eventually(lambda: deleter.enqueue(listed) or not old.exists())  # type: ignore[func-returns-value]


def test_repeated_list_is_deleted_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    checkpoint(tmp_path, "epoch-5")
    deleter = started(rank_of(tmp_path), Shutdown(30))
    for _ in range(20):
        deleter.enqueue((f"{URI}/attempt-1/epoch-5",))
    deleter.close(5)
    assert caplog.text.count("is deleted") == 1


def test_deleter_remembers_a_bounded_number(tmp_path: Path) -> None:
    deleter = started(rank_of(tmp_path), Shutdown(30))
    for n in range(1000):
        deleter.enqueue((f"{URI}/attempt-1/epoch-{n}",))
    deleter.close(10)
    assert len(deleter._due) <= 256


def _refuse(path: Path) -> None:
    raise PermissionError(path)
