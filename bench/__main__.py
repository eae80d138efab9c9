"""`python -m bench`: measures, prints the tables and, with --write, puts them into README.md."""

import argparse
import asyncio
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench import counted, machine, readme, record, tables
from bench.contenders import FLOOR, JOB, NAMES, OPERATOR, Arena, contender
from bench.lab import PLANE, arena
from bench.measure import measure
from bench.record import Entry, Measurement, Writes
from stargate_lab.host.paths import REPO, RUN_DIR

RESULTS = RUN_DIR / "bench.jsonl"
COUNTED_SIZE = 500
SCRIPTS = {
    "reports": "5,000 ranks reporting",
    "compute": "Knowing what is free: 5,000 nodes, 50,000 pods of others",
}
"""The benchmark programs, by file name."""


def main() -> int:
    options = _options()
    try:
        if options.what == "run":
            asyncio.run(_run(options))
        return _show(options)
    except KeyboardInterrupt:
        return 130
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument(
        "what",
        nargs="?",
        choices=("run", "show"),
        default="run",
        help="`show` prints the results of the last run again",
    )
    parser.add_argument("--sizes", type=_numbers, default=(50, 500, 5000), metavar="N,N…")
    parser.add_argument("--rounds", type=int, default=3, help="of the floor and the operator")
    parser.add_argument(
        "--job-rounds", type=int, default=1, help="of the Indexed Jobs, which take long"
    )
    parser.add_argument("--contenders", type=_names, default=NAMES, metavar=",".join(NAMES))
    parser.add_argument("--no-count", action="store_true", help="leave out the audited round")
    parser.add_argument(
        "--no-reports",
        action="store_true",
        help="leave out the ranks' reports and the count of what is free",
    )
    parser.add_argument("--append", action="store_true", help="to the results of the last run")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    parser.add_argument("--name", default=PLANE, help="of the control plane")
    parser.add_argument("--write", action="store_true", help="the tables into bench/README.md")
    return parser.parse_args()


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(","))


def _names(text: str) -> tuple[str, ...]:
    unknown = set(text.split(",")) - set(NAMES)
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return tuple(text.split(","))


async def _run(options: argparse.Namespace) -> None:
    options.results.parent.mkdir(parents=True, exist_ok=True)
    if not options.append:
        options.results.unlink(missing_ok=True)
        _about(options).write_text(machine.describe())
    async with arena(max(options.sizes), options.name) as shared:
        await _warm_up(shared)
        await _measure(shared, options)
        if not options.no_count:
            await _count(shared, options)
    if not options.no_reports:
        for name in SCRIPTS:
            _script_file(options, name).write_text(await asyncio.to_thread(_script, name))


async def _warm_up(shared: Arena) -> None:
    """Runs one gang before the measurements: it fills the caches of a new control plane."""
    await measure(shared, contender(FLOOR, shared), size=20, number=0, tell=lambda _: None)


async def _measure(shared: Arena, options: argparse.Namespace) -> None:
    for size in options.sizes:
        for number, name in turns(options.contenders, options.rounds, options.job_rounds):
            tell = partial(_tell, options.results)
            await measure(shared, contender(name, shared), size=size, number=number, tell=tell)


def turns(contenders: tuple[str, ...], rounds: int, job_rounds: int) -> Iterator[tuple[int, str]]:
    """The contenders in turns, every second round backwards, so that their neighbours change."""
    for number in range(1, max(rounds, job_rounds) + 1):
        asked = {name: rounds if name in (FLOOR, OPERATOR) else job_rounds for name in contenders}
        due = [name for name in contenders if number <= asked[name]]
        yield from ((number, name) for name in (due if number % 2 else reversed(due)))


async def _count(shared: Arena, options: argparse.Namespace) -> None:
    size = min(COUNTED_SIZE, max(options.sizes))
    log = await counted.switch_on(shared)
    for name in options.contenders:
        if name != JOB or len(options.contenders) == 1:  # it writes the same with both limits
            tell = partial(_tell, options.results)
            await counted.count(shared, contender(name, shared), log, size=size, tell=tell)


def _tell(results: Path, entry: Entry) -> None:
    record.append(results, entry)
    if isinstance(entry, Measurement):
        print(tables.line(entry), flush=True)
    elif isinstance(entry, Writes):
        print(f"{entry.size:>5} {entry.contender:<10} {entry.phase:<8} counted", flush=True)


def _script(name: str) -> str:
    path = REPO / "bench" / f"{name}.py"
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{path.name} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def _show(options: argparse.Namespace) -> int:
    if not options.results.exists():
        raise RuntimeError(f"there are no results in {options.results}")
    entries = record.load(options.results)
    parts = [
        f"Measured on {_about(options).read_text()}; medians of the rounds.",
        tables.results(record.measurements(entries), record.writes(entries)),
    ]
    for name, heading in SCRIPTS.items():
        if _script_file(options, name).exists():
            found = _script_file(options, name).read_text().strip()
            parts.append(f"### {heading}\n\n```\n{found}\n```")
    text = "\n\n".join(parts)
    print(f"\n{text}")
    if options.write:
        readme.write(text)
    return 0


def _about(options: argparse.Namespace) -> Path:
    file: Path = options.results.with_suffix(".machine")
    return file


def _script_file(options: argparse.Namespace, name: str) -> Path:
    file: Path = options.results.with_suffix(f".{name}")
    return file


if __name__ == "__main__":
    sys.exit(main())
