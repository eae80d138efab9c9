"""A run that is interrupted keeps the measurements that it has made."""

from pathlib import Path

from bench import record
from tests.unit.bench.measurements import took, wrote


def test_measurements_and_writes_are_read_back(tmp_path: Path) -> None:
    file = tmp_path / "new" / "bench.jsonl"
    for entry in (took(1.5), wrote(stargate_operator__create__pods=500)):
        record.append(file, entry)
    found = record.load(file)
    assert record.measurements(found) == [took(1.5)]
    assert record.writes(found) == [wrote(stargate_operator__create__pods=500)]


def test_cpu_per_pod_is_separate_from_control_plane() -> None:
    measured = took(1.0, size=50, cpu=0.01)
    assert measured.cpu_ms_per_pod == 0.2
    assert measured.cluster_cpu_ms_per_pod == 20.0
