"""Many seeds side by side: which of them fail, and how."""

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from tests.simulation.run import plan, simulate


@dataclass(frozen=True)
class Verdict:
    """A seed's, without its story. `kind` is the same for violations that differ in details alone."""

    seed: int
    violations: tuple[str, ...]
    kind: str
    happened: Counter[str]
    causes: frozenset[str]

    @property
    def first(self) -> str:
        return self.violations[0].splitlines()[0] if self.violations else ""


@dataclass
class Total:
    seeds: int = 0
    failed: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    happened: Counter[str] = field(default_factory=Counter)
    causes: set[str] = field(default_factory=set)

    def add(self, verdict: Verdict) -> None:
        self.seeds += 1
        self.happened += verdict.happened
        self.causes |= verdict.causes
        if verdict.violations:
            self.failed += 1
            self.kinds[verdict.kind] += 1


def verdict(seed: int) -> Verdict:
    outcome = simulate(plan(seed))
    return Verdict(
        seed=seed,
        violations=tuple(outcome.violations),
        kind=outcome.kind,
        happened=outcome.happened,
        causes=frozenset(outcome.causes),
    )


def verdicts(seeds: Iterable[int], processes: int) -> Iterator[Verdict]:
    """In the order of the seeds."""
    if processes == 1:
        yield from map(verdict, seeds)
        return
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(verdict, seeds, chunksize=4)
