"""A run that is cut short has still told something."""

from pathlib import Path

from bench import record
from tests.unit.bench.measurements import took, wrote


def test_what_was_measured_and_counted_is_read_back(tmp_path: Path) -> None:
    file = tmp_path / "new" / "bench.jsonl"
    for entry in (took(1.5), wrote(stargate_operator__create__pods=500)):
        record.append(file, entry)
    found = record.load(file)
    assert record.measurements(found) == [took(1.5)]
    assert record.writes(found) == [wrote(stargate_operator__create__pods=500)]


def test_cpu_is_told_per_pod_and_apart_from_the_control_planes() -> None:
    measured = took(1.0, size=50, cpu=0.01)
    assert measured.cpu_ms_per_pod == 0.2
    assert measured.cluster_cpu_ms_per_pod == 20.0
