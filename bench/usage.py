"""CPU time and peak memory of a process."""

from dataclasses import dataclass
from pathlib import Path

from stargate_lab.host import processes


@dataclass(frozen=True)
class Usage:
    cpu_seconds: float = 0.0
    peak_rss_bytes: int = 0

    @classmethod
    def of(cls, pid: int) -> "Usage":
        return cls(_scheduled(pid) or processes.cpu_seconds(pid), processes.peak_rss_bytes(pid))


def _scheduled(pid: int) -> float:
    """CPU time to the nanosecond, where the kernel has it: /proc/PID/stat counts in steps of 10 ms."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(_first_number(task) for task in tasks) / 1e9


def _first_number(file: Path) -> int:
    try:
        return int(file.read_text().split()[0])
    except (OSError, IndexError, ValueError):
        return 0
