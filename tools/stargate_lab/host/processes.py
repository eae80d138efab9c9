"""Processes the lab did not fork itself: kwokctl starts them, pid files and /proc tell of them.

A pid is believed only together with a text that its command line must hold, so that a recycled pid
is never killed. A zombie counts as gone: in a container nobody may ever reap it.
"""

import contextlib
import os
import signal
import time
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def is_running(pid: int, marker: str = "") -> bool:
    return _is_alive(pid) and (not marker or marker in _settled_command_line(pid))


def running_from(directory: Path) -> list[int]:
    """The processes whose executable was called by a path within the directory."""
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
    until = time.monotonic() + seconds
    while is_running(pid, marker):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


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
    """It is empty for a moment within exec, when `Popen` may have returned already."""
    until = time.monotonic() + 1.0
    while not (text := _command_line(pid)) and _is_alive(pid) and time.monotonic() < until:
        time.sleep(0.005)
    return text


def _stat(pid: int) -> list[str]:
    """The fields from the state on: the name before them may hold spaces."""
    return _read(pid, "stat").rpartition(")")[2].split()


def _command_line(pid: int) -> str:
    return _read(pid, "cmdline").replace("\0", " ")


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except OSError:
        return ""
