"""The table in docs/recovery.md of the times that `make e2e` measured."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.e2e.recovery import BEGIN, END, PAGE, Recovery, from_writes, table, with_table
from tests.unit.recorder.stage import Stage

ROW = Recovery(
    fault="out of memory",
    training_of="plain",
    cause="OOMKilled",
    detected=0.44,
    training=5.06,
    lost=1,
    resumed=4,
)


def moment(seconds: float) -> str:
    return datetime.fromtimestamp(1000 + seconds, UTC).isoformat()


def told(epoch: int, at: float, step: int | None = 1) -> dict[str, Any]:
    return {"epoch": epoch, "step": step, "lastReportTime": moment(at)}


def test_training_resumes_at_the_first_reported_step() -> None:
    first: dict[str, Any] = {"number": 1, "start": moment(0), "worldSize": 2}
    ended = first | {"end": moment(12), "cause": "OOMKilled"}
    second = {"number": 2, "start": moment(13), "worldSize": 2}
    stage = Stage()
    stage.job(attempt=1, attempts=[first], progress=told(5, at=9)).wait(13)
    stage.job(attempt=2, attempts=[ended, second]).wait(2)
    stage.job(checkpoints={"restoredFrom": {"epoch": 4}}, progress=told(4, at=9, step=None)).wait(1)
    stage.job(progress=told(4, at=15, step=None)).wait(1)
    stage.job(progress=told(4, at=17)).wait(5)
    stage.job(progress=told(5, at=22))

    row = from_writes(stage.history.writes, 1010.0, fault="out of memory", training="plain")

    assert (row.cause, row.lost, row.resumed) == ("OOMKilled", 1, 4)
    assert row.detected == pytest.approx(3, abs=0.5)
    assert row.training == pytest.approx(7, abs=0.5)


def test_each_fault_is_one_row() -> None:
    *_, row = table([ROW]).splitlines()
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == ["out of memory", "plain", "OOMKilled", "0.4", "5.1", "1"]


def test_only_text_between_the_marks_changes() -> None:
    page = f"before\n{BEGIN}\n\nold\n\n{END}\nafter"
    assert with_table(page, "new") == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter"


def test_page_without_marks_is_not_changed() -> None:
    with pytest.raises(ValueError, match="marks"):
        with_table("nothing of the kind", "new")


def test_page_has_its_marks() -> None:
    assert BEGIN in PAGE.read_text()
    assert END in PAGE.read_text()
