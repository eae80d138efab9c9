"""The results as Markdown tables."""

from bench import tables
from tests.unit.bench.measurements import took, wrote


def test_columns_line_up_in_a_terminal_too() -> None:
    assert tables.table(["N", "seconds"], [["50", "1"], ["5000", "10"]]) == (
        "| N    | seconds |\n| ---- | ------- |\n| 50   | 1       |\n| 5000 | 10      |"
    )


def test_row_shows_median_spread_and_both_ratios() -> None:
    measured = [
        *(took(s, "floor", moments={"created": s / 2}) for s in (9.0, 10.0, 11.0)),
        took(12.0),
        took(36.0, "job"),
    ]
    text = tables.results(measured, [])
    floor, operator, job = (_row(text, name) for name in ("floor", "operator", "Indexed Job, d"))
    assert floor[2:7] == ["5.00", "", "10.00 (9.00–11.00)", "1.00", "0.83"]
    assert operator[4:7] == ["12.00", "1.20", "1.00"]
    assert job[4:7] == ["36.00", "3.60", "3.00"]


def test_a_missed_target_cannot_be_overlooked() -> None:
    text = tables.results([took(10.0, "floor"), took(20.0)], [])
    assert _row(text, "start, × the floor")[-1] == "**missed**"


def test_writes_are_listed_per_pod_and_writer() -> None:
    counted = [
        wrote("floor", stargate_floor__create__pods=500),
        wrote(stargate_operator__create__pods=500, kwok__patch__pods=500, other__create__events=1),
    ]
    text = tables.results([], counted)
    assert _row(text, "stargate-floor create pods") == ["stargate-floor create pods", "1.000", ""]
    assert _row(text, "**all together**")[1:] == ["1.000", "2.002"]
    assert _row(text, "**of these")[1:] == ["1.000", "1.000"]
    assert "other create events" not in text


def test_nothing_measured_makes_no_table() -> None:
    assert tables.results([], []) == ""


def _row(text: str, name: str) -> list[str]:
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in row] for row in rows]
    return next(row for row in cells if any(cell.startswith(name) for cell in row[:2]))
