"""Old checkpoints go when an answer lists them, and nothing else ever does."""

from pathlib import Path
from typing import Any

import pytest

from stargate_worker.deletion import Janitor
from stargate_worker.departure import Departure
from stargate_worker.environment import Environment
from tests.unit.worker.fake_operator import URI, eventually, rank_of


def checkpoint(base: Path, name: str) -> Path:
    folder = base / "attempt-1" / name
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    (folder / "shard-00000-of-00001").write_text("weights")
    return folder


def started(told: Environment, departure: Departure, **rest: Any) -> Janitor:
    janitor = Janitor(told, departure, **rest)
    janitor.start()
    return janitor


def test_what_is_listed_goes_and_the_rest_stays(tmp_path: Path) -> None:
    old, new = checkpoint(tmp_path, "epoch-5"), checkpoint(tmp_path, "epoch-50")
    janitor = started(rank_of(tmp_path, attempt=2), Departure(30))

    janitor.take((f"{URI}/attempt-1/epoch-5",))

    eventually(lambda: not old.exists())
    assert len(list(new.iterdir())) == 2


def test_what_lies_elsewhere_is_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    warm_start = checkpoint(tmp_path / "other", "epoch-5")
    janitor = started(rank_of(tmp_path / "ours"), Departure(30))

    janitor.take((str(warm_start), f"{URI}/attempt-1/../../other/attempt-1/epoch-5"))
    janitor.close(5)

    assert warm_start.exists()
    assert caplog.text.count("left alone") == 2


def test_a_straggler_deletes_nothing(tmp_path: Path) -> None:
    old = checkpoint(tmp_path, "epoch-5")
    departure = Departure(30)
    departure.dismiss("attempt 2 is current")
    janitor = started(rank_of(tmp_path), departure)
    janitor.take((f"{URI}/attempt-1/epoch-5",))
    janitor.close(5)
    assert old.exists()


def test_what_cannot_be_deleted_is_told_of_and_tried_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    old = checkpoint(tmp_path, "epoch-5")
    janitor = started(rank_of(tmp_path), Departure(30), retry_seconds=0.5)
    listed = (f"{URI}/attempt-1/epoch-5",)

    with monkeypatch.context() as broken:
        broken.setattr("shutil.rmtree", _refuse)
        janitor.take(listed)
        eventually(lambda: "could not be deleted" in caplog.text)
        for _ in range(5):
            janitor.take(listed)
    assert caplog.text.count("could not be deleted") == 1

    eventually(lambda: janitor.take(listed) or not old.exists())  # type: ignore[func-returns-value]


def test_the_same_list_comes_with_every_answer_and_is_worked_on_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    checkpoint(tmp_path, "epoch-5")
    janitor = started(rank_of(tmp_path), Departure(30))
    for _ in range(20):
        janitor.take((f"{URI}/attempt-1/epoch-5",))
    janitor.close(5)
    assert caplog.text.count("is deleted") == 1


def test_it_remembers_no_more_than_it_must(tmp_path: Path) -> None:
    janitor = started(rank_of(tmp_path), Departure(30))
    for n in range(1000):
        janitor.take((f"{URI}/attempt-1/epoch-{n}",))
    janitor.close(10)
    assert len(janitor._due) <= 256


def _refuse(path: Path) -> None:
    raise PermissionError(path)
