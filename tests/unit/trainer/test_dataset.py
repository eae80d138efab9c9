"""A data set is two files; what is learnt when depends on the seed and the epoch alone."""

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


def test_a_file_may_be_compressed(folder: Path) -> None:
    assert read(str(folder)) == Dataset(b"to learn from", b"to be judged by")


def test_the_text_that_we_ship_is_one() -> None:
    found = read(str(DATA / "stargate-text"))
    assert len(found.train) > 40_000
    assert len(found.validation) > 4_000


def test_a_folder_that_is_not_there_is_named() -> None:
    with pytest.raises(TrainerError, match=r"spec\.datasetPath: /nowhere: there is no") as refused:
        read("/nowhere")
    assert refused.value.code is Exit.DATASET_UNUSABLE


def test_a_file_that_is_missing_is_named(folder: Path) -> None:
    (folder / "train.txt").unlink()
    with pytest.raises(TrainerError, match=r"neither train\.txt nor train\.txt\.gz"):
        read(str(folder))


def test_a_file_that_is_broken_is_named(folder: Path) -> None:
    (folder / "validation.txt.gz").write_bytes(b"no gzip")
    with pytest.raises(TrainerError, match=r"validation\.txt\.gz: it cannot be read"):
        read(str(folder))


@pytest.mark.parametrize(("length", "found"), [(0, 0), (8, 0), (9, 1), (16, 1), (17, 2)])
def test_every_window_has_a_byte_that_follows(length: int, found: int) -> None:
    assert windows(b"x" * length, context=8) == found


def test_an_epoch_s_order_is_a_function_of_seed_and_epoch() -> None:
    assert schedule().order(3) == schedule().order(3)
    assert schedule().order(3) != schedule().order(4)
    assert schedule().order(3) != schedule(seed=2).order(3)


def test_and_stays_so_from_one_version_of_python_to_the_next() -> None:
    assert schedule(windows=8).order(0) == [1, 5, 4, 2, 7, 0, 3, 6]


def test_no_window_is_learnt_twice_in_an_epoch_and_none_by_two_ranks() -> None:
    given = schedule()
    order = given.order(0)
    seen = [
        w
        for step in range(given.steps)
        for rank in range(3)
        for w in given.batch(order, step, rank)
    ]
    assert len(seen) == len(set(seen)) == given.steps * 3 * 8


def test_what_does_not_fill_a_step_is_left_out() -> None:
    assert schedule(windows=100, batch_size=8, ranks=3).steps == 4


def test_a_text_too_short_for_one_step_is_an_error() -> None:
    with pytest.raises(TrainerError, match="23 windows, fewer than one step of 3 ranks"):
        schedule(windows=23).checked()


def test_so_is_one_with_nothing_to_judge_by() -> None:
    assert need_window(b"x" * 9, context=8) == b"x" * 9
    with pytest.raises(TrainerError, match="has 8 bytes, too few for one window"):
        need_window(b"x" * 8, context=8)
