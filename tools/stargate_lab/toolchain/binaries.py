"""Gets the Kubernetes binaries: from the cache, else the official releases, else the Go modules.

Each source is used only for the binaries that the one before did not have. A binary is installed by a
rename within the cache, under a lock: it is never incomplete, and two runs do not build it twice.
"""

import fcntl
import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from stargate_lab.host.paths import TOOLS, cache_dir
from stargate_lab.toolchain.go_build import build, elapsed, recipe, staging
from stargate_lab.toolchain.pinned_tools import CONTROL_PLANE, Platform, Tool, tool
from stargate_lab.toolchain.releases import (
    Hosts,
    HostUnreachableError,
    ReleaseError,
    fetch,
    release_of,
)

Say = Callable[[str], None]


class Source(StrEnum):
    AUTO = "auto"
    RELEASE = "release"
    BUILD = "build"

    @classmethod
    def chosen(cls) -> "Source":
        return cls(os.environ.get("STARGATE_TOOLS_SOURCE", cls.AUTO))


def say_on_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def ensure(
    names: Iterable[str] = CONTROL_PLANE,
    say: Say = say_on_stderr,
    source: Source | None = None,
    hosts: Hosts | None = None,
) -> dict[str, Path]:
    """The path of each named binary, after getting those that the cache lacks."""
    tools = [tool(name) for name in names]
    where = bin_dir()
    if _missing(tools, where):
        with locked(where):
            _get(_missing(tools, where), where, say, source or Source.chosen(), hosts or Hosts())
    return {t.name: where / t.name for t in tools}


def bin_dir() -> Path:
    return cache_dir() / "tools" / _pin(Platform.here())


def _pin(where: Platform) -> str:
    """The name of the cache folder; it changes exactly when the sources of the binaries change."""
    parts = [(TOOLS / "go.mod").read_bytes(), (TOOLS / "go.sum").read_bytes()]
    digest = hashlib.sha256(b"\0".join([*parts, repr(recipe()).encode()]))
    return f"{where.os}-{where.arch}-{digest.hexdigest()[:12]}"


def _missing(tools: Iterable[Tool], where: Path) -> list[Tool]:
    return [t for t in tools if not (where / t.name).exists()]


def _get(tools: list[Tool], where: Path, say: Say, source: Source, hosts: Hosts) -> None:
    if tools and source is not Source.BUILD:
        _from_releases(tools, where, say, hosts)
        tools = _missing(tools, where)
    if tools and source is Source.RELEASE:
        raise ReleaseError(f"no release of {', '.join(t.name for t in tools)}")
    if tools:
        _from_modules(tools, where, say)


def _from_releases(tools: list[Tool], where: Path, say: Say, hosts: Hosts) -> None:
    for wanted in tools:
        try:
            _from_release(wanted, where, say, hosts)
        except HostUnreachableError as error:
            say(f"official releases are out of reach ({error})")
            return
        except ReleaseError as error:
            say(f"{wanted.name} {wanted.version}: release not used: {error}")


def _from_release(wanted: Tool, where: Path, say: Say, hosts: Hosts) -> None:
    release = release_of(wanted, Platform.here(), hosts)
    started = time.monotonic()
    with staging(where) as scratch:
        fetch(release, scratch / wanted.name).rename(where / wanted.name)
    took = elapsed(time.monotonic() - started)
    say(
        f"{wanted.name} {wanted.version}: downloaded from {release.url}, sha256 verified, in {took}"
    )


def _from_modules(tools: list[Tool], where: Path, say: Say) -> None:
    started = time.monotonic()
    with staging(where) as scratch:
        built = build(tools, scratch, say)
        for wanted in tools:
            built[wanted.name].rename(where / wanted.name)
    took = elapsed(time.monotonic() - started)
    listed = ", ".join(f"{t.name} {t.version}" for t in tools)
    say(f"{listed}: built from Go modules in {took}")


@contextmanager
def locked(where: Path) -> Iterator[None]:
    """Holds the lock of a cache folder, which it makes if necessary."""
    where.mkdir(parents=True, exist_ok=True)
    with (where / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
