"""Gets Prometheus and promtool for tests: from the official release, else from Debian's package.

They are unpacked in the cache; nothing is installed on the machine.
"""

import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

from stargate_lab.host.paths import cache_dir
from stargate_lab.toolchain.binaries import Say, locked, say_on_stderr
from stargate_lab.toolchain.go_build import staging
from stargate_lab.toolchain.pinned_tools import Platform
from stargate_lab.toolchain.releases import Hosts, ReleaseError, fetch_artifact, prometheus, unpack

VERSION = "3.5.0"
"""Version of the official release. Debian's is older; the rules and queries work with both."""
NAMES = ("prometheus", "promtool")


class PrometheusError(RuntimeError):
    """Prometheus is not available here; the message says what was tried."""


def ensure(say: Say = say_on_stderr, hosts: Hosts | None = None) -> dict[str, Path]:
    """The path of each program, from PATH or the cache; fetches them if necessary."""
    found = {name: Path(path) for name in NAMES if (path := shutil.which(name))}
    if len(found) == len(NAMES):
        return found
    here = Platform.here()
    where = cache_dir() / "prometheus" / f"{VERSION}-{here.os}-{here.arch}"
    with locked(where):
        if not all((where / name).exists() for name in NAMES):
            _bring(where, say, hosts or Hosts())
    return {name: where / name for name in NAMES}


def _bring(where: Path, say: Say, hosts: Hosts) -> None:
    sources: list[Callable[[Path], str]] = [partial(_release, hosts=hosts), _debian]
    tried = []
    for source in sources:
        try:
            return say(_installed(source, where))
        except (ReleaseError, PrometheusError, FileNotFoundError) as error:
            tried.append(str(error))
    raise PrometheusError(f"no prometheus on PATH, and none to be had: {'; '.join(tried)}")


def _installed(source: Callable[[Path], str], where: Path) -> str:
    with staging(where) as scratch:
        said = source(scratch)
        for name in NAMES:
            (scratch / name).rename(where / name)
    return said


def _release(to: Path, hosts: Hosts) -> str:
    release = prometheus(VERSION, Platform.here(), hosts)
    archive = fetch_artifact(release, to / release.file_name)
    for name in NAMES:
        unpack(archive, f"{release.member}/{name}", to / name)
    return f"prometheus {VERSION}: downloaded from {release.url}, sha256 verified"


def _debian(to: Path) -> str:
    """Downloads with apt, which verifies it. A fresh machine has no package lists yet."""
    download = ["apt-get", "download", "-q", "prometheus"]
    try:
        _run(download, to)
    except PrometheusError:
        _run(["apt-get", "update", "-q"], to)
        _run(download, to)
    (package,) = to.glob("prometheus_*.deb")
    _run(["dpkg-deb", "--extract", package.name, "package"], to)
    for name in NAMES:
        (to / "package" / "usr" / "bin" / name).rename(to / name)
    return f"prometheus: taken from Debian's {package.name}"


def _run(command: list[str], directory: Path) -> None:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-500:]
        raise PrometheusError(f"{' '.join(command)}: {said}")
