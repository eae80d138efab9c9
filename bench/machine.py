"""The machine of a measurement."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from stargate_lab.toolchain.pinned_tools import kubernetes_version, tool


def describe() -> str:
    """The machine in one sentence."""
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({_cpu()}), {_memory_gib():.0f} GiB"
        f" of memory, Linux {platform.release().partition('-')[0]}; Kubernetes {kubernetes_version()},"
        f" etcd {tool('etcd').version}, kwok {tool('kwok').version},"
        f" Python {platform.python_version()}; load average at the start {os.getloadavg()[0]:.1f}"
    )


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
