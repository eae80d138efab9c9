"""Reading the two files of a data set, and an order that depends on seed and epoch alone."""

import gzip
from pathlib import Path

import pytest

from stargate_trainer.dataset import Dataset, Schedule, need_window, read, windows
from stargate_trainer.exits import Exit, TrainerError

DATA = Path(__file__).parents[3] / "images" / "trainer" / "data"


def schedule(*, seed: int = 1, windows: int = 100, batch_size: int = 8, ranks: int = 3) -> Schedule:
    return Schedule(seed=seed, windows=windows, batch_size=batch_size, world_size=ranks)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "train.txt").write_bytes(b"to learn from")
    (tmp_path / "validation.txt.gz").write_bytes(gzip.compress(b"to be judged by"))
    return tmp_path


def test_compressed_file_is_read(folder: Path) -> None:
    assert read(str(folder)) == Dataset(b"to learn from", b"to be judged by")


def test_shipped_text_is_a_data_set() -> None:
    found = read(str(DATA / "stargate-text"))
    assert len(found.train) > 40_000
    assert len(found.validation) > 4_000


def test_missing_folder_is_named() -> None:
    with pytest.raises(TrainerError, match=r"spec\.datasetPath: /nowhere: there is no") as refused:
        read("/nowhere")
    assert refused.value.code is Exit.DATASET_UNUSABLE


def test_missing_file_is_named(folder: Path) -> None:
    (folder / "train.txt").unlink()
    with pytest.raises(TrainerError, match=r"neither train\.txt nor train\.txt\.gz"):
        read(str(folder))


def test_broken_file_is_named(folder: Path) -> None:
    (folder / "validation.txt.gz").write_bytes(b"no gzip")
    with pytest.raises(TrainerError, match=r"validation\.txt\.gz: it cannot be read"):
        read(str(folder))


@pytest.mark.parametrize(("length", "found"), [(0, 0), (8, 0), (9, 1), (16, 1), (17, 2)])
def test_every_window_has_a_following_byte(length: int, found: int) -> None:
    assert windows(b"x" * length, context=8) == found


def test_order_depends_on_seed_and_epoch() -> None:
    assert schedule().order(3) == schedule().order(3)
    assert schedule().order(3) != schedule().order(4)
    assert schedule().order(3) != schedule(seed=2).order(3)


def test_order_is_equal_on_every_python() -> None:
    assert schedule(windows=8).order(0) == [1, 5, 4, 2, 7, 0, 3, 6]


def test_no_window_is_learnt_twice_in_an_epoch() -> None:
    given = schedule()
    order = given.order(0)
    seen = [
        w
        for step in range(given.steps)
        for rank in range(3)
        for w in given.batch(order, step, rank)
    ]
    assert len(seen) == len(set(seen)) == given.steps * 3 * 8


def test_incomplete_step_is_left_out() -> None:
    assert schedule(windows=100, batch_size=8, ranks=3).steps == 4


def test_text_too_short_for_a_step_is_refused() -> None:
    with pytest.raises(TrainerError, match="23 windows, fewer than one step of 3 ranks"):
        schedule(windows=23).checked()


def test_validation_text_without_a_window_is_refused() -> None:
    assert need_window(b"x" * 9, context=8) == b"x" * 9
    with pytest.raises(TrainerError, match="has 8 bytes, too few for one window"):
        need_window(b"x" * 8, context=8)
