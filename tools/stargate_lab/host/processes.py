"""Processes that the lab did not fork itself: kwokctl starts them; pid files and /proc show them.

A pid counts only if the process's command line contains a given text, so that a recycled pid is never
killed. A zombie counts as ended: in a container there may be no process that reaps it.
"""

import contextlib
import os
import signal
from pathlib import Path

from stargate_lab.host.waiting import wait_until

_TICKS = os.sysconf("SC_CLK_TCK")


def is_running(pid: int, marker: str = "") -> bool:
    return _is_alive(pid) and (not marker or marker in _settled_command_line(pid))


def running_from(directory: Path) -> list[int]:
    """The processes whose command line starts with a path within the directory."""
    pids = [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit()]
    inside = f"{directory}/"
    return [pid for pid in pids if _command_line(pid).startswith(inside) and is_running(pid)]


def end(pid: int, marker: str, number: signal.Signals, seconds: float = 10.0) -> bool:
    """Sends the signal and waits; False if the process still runs after that time."""
    if is_running(pid, marker):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    return _wait_gone(pid, marker, seconds)


def _wait_gone(pid: int, marker: str, seconds: float) -> bool:
    return wait_until(lambda: not is_running(pid, marker), seconds, pause=0.02)


def cpu_seconds(pid: int) -> float:
    """User and system time; 0 for a process that is gone."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS if fields else 0.0


def peak_rss_bytes(pid: int) -> int:
    for line in _read(pid, "status").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def _is_alive(pid: int) -> bool:
    state = _stat(pid)[:1]
    return bool(state) and state != ["Z"]


def _settled_command_line(pid: int) -> str:
    """Waits for the command line: it is empty for a moment within exec, after `Popen` returns."""
    wait_until(lambda: bool(_command_line(pid)) or not _is_alive(pid), 1.0, pause=0.005)
    return _command_line(pid)


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, which may contain spaces."""
    return _read(pid, "stat").rpartition(")")[2].split()


def _command_line(pid: int) -> str:
    return _read(pid, "cmdline").replace("\0", " ")


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except OSError:
        return ""
