"""Runs many seeds, or one: `python -m tests.simulation --seeds 1000`, `--seed 17`."""

import argparse
import os
import sys
import time
from collections.abc import Iterable, Sequence

from tests.simulation.many import Total, verdicts
from tests.simulation.plan import JobPlan, Plan
from tests.simulation.run import Outcome, plan, simulate
from tests.simulation.shrink import shrunk


def main(words: Sequence[str] | None = None) -> int:
    arguments = _arguments(words)
    if arguments.seed is not None:
        return _replay(arguments.seed, shrink=arguments.shrink)
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    return _many(seeds, arguments.processes, until_failure=arguments.until_failure)


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=_positive, default=1000, help="number of seeds to run")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="run this one alone, and tell its story")
    parser.add_argument("--no-shrink", dest="shrink", action="store_false")
    parser.add_argument("--until-failure", action="store_true", help="stop at the first that fails")
    parser.add_argument("--processes", type=_positive, default=os.cpu_count() or 1)
    return parser.parse_args(words)


def _positive(text: str) -> int:
    """No seed at all would be a run that cannot fail."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 up, not {text!r}")
    return int(text)


def _replay(seed: int, *, shrink: bool) -> int:
    outcome = simulate(plan(seed))
    if outcome.violations and shrink:
        kind = outcome.kind
        smallest = shrunk(outcome.plan, lambda smaller: simulate(smaller).kind == kind)
        outcome = simulate(smallest)
    print(told(outcome))
    return bool(outcome.violations)


def told(outcome: Outcome) -> str:
    """The story of one seed, as a person reads it."""
    world: Plan = outcome.plan
    jobs = ", ".join(
        f"{job.name} ({job.ranks} ranks, {_course(job)}, {job.spec})" for job in world.jobs
    )
    return "\n".join(
        [
            f"seed {world.seed}: {world.nodes} nodes, {world.replicas} operators, {jobs}",
            *outcome.log,
            "",
            *(outcome.violations or ["no violation"]),
        ]
    )


def _course(job: JobPlan) -> str:
    return f"{job.steps} steps" if job.steps else f"{job.epochs} epochs"


def _many(seeds: Iterable[int], processes: int, *, until_failure: bool) -> int:
    began, total = time.monotonic(), Total()
    for verdict in verdicts(seeds, processes):
        total.add(verdict)
        if verdict.violations:
            print(f"seed {verdict.seed}: {verdict.first[:300]}", flush=True)
            if until_failure:
                break
        if total.seeds % 500 == 0:
            took = time.monotonic() - began
            so_far = f"{total.seeds} seeds, {total.failed} failed, {took:.0f} s"
            print(so_far, file=sys.stderr, flush=True)
    took = time.monotonic() - began
    print(f"{total.seeds} seeds in {took:.0f} s, {total.seeds / took:.1f} a second")
    print(
        "what happened: " + ", ".join(f"{n} × {what}" for what, n in total.happened.most_common())
    )
    print("causes: " + ", ".join(sorted(total.causes)))
    for kind, number in total.kinds.most_common():
        print(f"{number:6} {kind}")
    print(f"{total.failed} failed; SEED=n make simulate tells the story of seed n")
    return bool(total.failed)


if __name__ == "__main__":
    sys.exit(main())
