"""Shows that the simulation finds faults: runs it on an operator with one fault after another.

`python -m tests.simulation.mutation [NAME …]` applies each patch of `mutants/` to a copy of the
operator, simulates seed after seed until one fails, and writes what it found into docs/simulation.md.
A patch that no longer applies is made again by hand: edit the code, `git diff -U2`, and keep the first
line.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from stargate_generate.markdown import table, with_part
from stargate_lab.host.paths import REPO

PATCHES = REPO / "tests" / "simulation" / "mutants"
FOUND = PATCHES / "found.json"
PAGE = REPO / "docs" / "simulation.md"
COMMAND = "make mutants"
PART = "table of mutants"
MOST_SEEDS = 2000
"""A mutant that so many seeds do not find shows what the simulation cannot see."""

_HEAD = ("the fault in the operator", "seed", "seconds", "what the simulation says")
_SAID = re.compile(r"^seed (\d+): (.*)$", re.MULTILINE)
_LONGEST_RUN = 3600.0
_SHOWN = 100


@dataclass(frozen=True)
class Mutant:
    """A patch, whose first line says in plain words what is wrong with the patched operator."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def description(self) -> str:
        return self.path.read_text().partition("\n")[0]


class Found(msgspec.Struct, frozen=True):
    """The first seed that showed the fault, and the first violation in it."""

    seed: int
    seconds: float
    violation: str


def mutants() -> dict[str, Mutant]:
    return {path.stem: Mutant(path) for path in sorted(PATCHES.glob("*.patch"))}


@contextmanager
def patched(mutant: Mutant) -> Iterator[Path]:
    """A folder with the operator's packages, with the mutant's fault."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        packages = Path(folder) / "operator"
        shutil.copytree(
            REPO / "operator", packages, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
        )
        subprocess.run(["git", "apply", str(mutant.path)], cwd=folder, check=True)
        yield packages


def hunt(
    mutant: Mutant, *, first: int = 0, seeds: int = MOST_SEEDS, processes: int = 1
) -> Found | None:
    """None: none of these seeds shows the fault."""
    with patched(mutant) as packages:
        environment = _environment(packages)
        _need_patched(packages, environment)
        began = time.monotonic()
        words = [f"--first={first}", f"--seeds={seeds}", f"--processes={processes}"]
        said = subprocess.run(
            [sys.executable, "-m", "tests.simulation", "--until-failure", *words],
            cwd=REPO,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_LONGEST_RUN,
        )
        seconds = time.monotonic() - began
    found = _SAID.search(said.stdout)
    if found is not None:
        return Found(int(found[1]), round(seconds, 1), found[2])
    if said.returncode:
        raise RuntimeError(f"{mutant.name} cannot be simulated:\n{said.stderr}")
    return None


def _environment(packages: Path) -> dict[str, str]:
    """In which the patched operator is found before the installed one."""
    places = [str(packages), str(REPO / "tools"), str(REPO)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(places)}


def _need_patched(packages: Path, environment: Mapping[str, str]) -> None:
    """A run on the installed operator would say that the fault cannot be found."""
    program = "import stargate_operator; print(stargate_operator.__file__)"
    imported = subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPO,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    if not Path(imported).is_relative_to(packages):
        raise RuntimeError(f"the simulation would run {imported} and not {packages}")


def known() -> dict[str, Found]:
    """What the last runs found, by the mutant's name."""
    return msgspec.json.decode(FOUND.read_bytes(), type=dict[str, Found])


def page(before: str, found: Mapping[str, Found]) -> str:
    rows = [
        (mutant.description, str(each.seed), f"{each.seconds:.0f}", _short(each.violation))
        if (each := found.get(name))
        else (mutant.description, "none", "", "")
        for name, mutant in mutants().items()
    ]
    return with_part(before, PART, table(_HEAD, rows), by=COMMAND)


def _short(violation: str) -> str:
    return violation if len(violation) <= _SHOWN else f"{violation[:_SHOWN]}…"


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation.mutation", description=__doc__
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="mutants; all by default")
    parser.add_argument("--seeds", type=int, default=MOST_SEEDS, help="try so many at most")
    parser.add_argument("--processes", type=int, default=min(2, os.cpu_count() or 1))
    arguments = parser.parse_args(words)
    everyone, found, missed = mutants(), known(), 0
    found = {name: each for name, each in found.items() if name in everyone}
    for name in arguments.names or everyone:
        result = hunt(everyone[name], seeds=arguments.seeds, processes=arguments.processes)
        if result is None:
            found.pop(name, None)
            missed += 1
            print(f"{name}: not found by {arguments.seeds} seeds", flush=True)
        else:
            found[name] = result
            print(
                f"{name}: seed {result.seed}, {result.seconds:g} s: {result.violation}", flush=True
            )
        _keep(found)
    return bool(missed)


def _keep(found: Mapping[str, Found]) -> None:
    """After each mutant, because all of them take hours on a small machine."""
    encoded = msgspec.json.encode(dict(sorted(found.items())))
    FOUND.write_bytes(msgspec.json.format(encoded, indent=2) + b"\n")
    PAGE.write_text(page(PAGE.read_text(), found))


if __name__ == "__main__":
    sys.exit(main())
