"""The plan of a seed: a world, the wishes of its users and its faults, as data. Pure.

An event has dice of its own, so that a plan without it goes on as before: that is how a failing plan
is made smaller.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from tests.kit.cluster.workers import SAVE_EVERY_STEPS, TRAIN_STEPS

Json = dict[str, Any]

STORM_SECONDS = (20.0, 40.0, 80.0, 160.0)
_RANKS = {1: 4, 2: 8, 3: 6, 4: 4, 8: 2, 16: 1, 64: 0.25}
_PAUSES = (0.1, 0.5, 2.0, 5.0, 15.0)
_CHANCE_OF_STEPS = 0.4
"""That a job has one epoch, and its trainer counts steps."""


@dataclass(frozen=True)
class JobPlan:
    """A job that a user applies `at` so many seconds. One with `steps` trains them in its one epoch."""

    name: str
    ranks: int
    epochs: int
    spec: Json = field(default_factory=dict)
    at: float = 0.0
    steps: int | None = None

    @property
    def length(self) -> int:
        """How many epochs or steps it trains, each of which takes equally long."""
        return self.steps or self.epochs


@dataclass(frozen=True)
class Event:
    """Something that happens at a moment; `what` names an act, and `seed` decides its details."""

    at: float
    what: str
    seed: int


@dataclass(frozen=True)
class Plan:
    seed: int
    nodes: int
    replicas: int
    epoch_seconds: float
    save_seconds: float
    jobs: tuple[JobPlan, ...]
    events: tuple[Event, ...]
    sidecars: bool
    """True if a webhook adds a container to each pod, as a mesh does."""
    storm: float
    """Seconds after which nothing new goes wrong, and every fault is taken back."""
    pauses: bool = False
    """True if users suspend all jobs at the end of the storm, for a while."""

    def without_events(self, dropped: set[int]) -> "Plan":
        kept = tuple(event for index, event in enumerate(self.events) if index not in dropped)
        return replace(self, events=kept)

    def without_job(self, index: int) -> "Plan":
        return replace(self, jobs=self.jobs[:index] + self.jobs[index + 1 :])


def plan_of(seed: int, acts: Mapping[str, float]) -> Plan:
    """`acts` has the weight of each act."""
    dice = Random(seed)
    storm = dice.choice(STORM_SECONDS)
    jobs = tuple(_job(dice, number, storm) for number in range(dice.choice((1, 1, 1, 2, 2, 3, 4))))
    largest, all_ranks = max(job.ranks for job in jobs), sum(job.ranks for job in jobs)
    return Plan(
        seed=seed,
        nodes=dice.choice((largest, largest + 1, all_ranks, all_ranks + 2)),
        replicas=dice.choice((1, 2, 2)),
        epoch_seconds=dice.choice((0.5, 2.0, 5.0)),
        save_seconds=dice.choice((0.0, 0.5, 3.0)),
        jobs=jobs,
        events=tuple(_events(dice, acts, storm)),
        sidecars=dice.random() < 0.1,
        storm=storm,
        pauses=dice.random() < 0.2,
    )


def _job(dice: Random, number: int, storm: float) -> JobPlan:
    epochs = dice.randint(3, 12)
    spec: Json = {
        "checkpointIntervalEpochs": dice.choice([n for n in (1, 2, 3, 5) if n <= epochs]),
        "scheduling": {"startTimeoutSeconds": dice.choice((30, 60, 120))},
        "restartPolicy": {"maxRestarts": dice.choice((0, 1, 3, 1000, 1000, 1000))},
        "template": {"terminationGracePeriodSeconds": dice.choice((1, 2, 10, 30))},
    }
    maybe: list[tuple[float, Callable[[], Json]]] = [
        (0.3, lambda: {"checkpoint": {"retain": dice.choice((2, 3))}}),
        (0.2, lambda: {"hang": {"reportTimeoutSeconds": dice.choice((60, 120))}}),
        (0.2, lambda: {"ttlSecondsAfterFinished": dice.choice((0, 10, 60))}),
        (0.1, lambda: {"activeDeadlineSeconds": dice.choice((30, 120, 600))}),
        (0.1, lambda: {"suspend": True}),
    ]
    for chance, wish in maybe:
        if dice.random() < chance:
            spec.update(wish())
    job = JobPlan(
        name=f"job-{number}",
        ranks=dice.choices(list(_RANKS), list(_RANKS.values()))[0],
        epochs=epochs,
        spec=spec,
        at=0.0 if number == 0 else dice.uniform(0.0, storm / 2),
    )
    # Dice of its own: the other choices of a seed stay as they are.
    steps_dice = Random(f"{number} {epochs} {job.at}")
    return _with_steps(job, steps_dice) if steps_dice.random() < _CHANCE_OF_STEPS else job


def _with_steps(job: JobPlan, dice: Random) -> JobPlan:
    """The job with one epoch of as many steps as it had epochs, or twice as many. The trainer knows
    their number; the spec may."""
    steps = job.epochs * dice.choice((1, 2))
    course = {TRAIN_STEPS: steps, SAVE_EVERY_STEPS: dice.choice((1, 2, 3))}
    env = [{"name": name, "value": str(value)} for name, value in course.items()]
    stated: Json = {"steps": steps} if dice.random() < 0.5 else {}
    spec = {
        **job.spec,
        **stated,
        "checkpointIntervalEpochs": 1,
        "template": {**job.spec["template"], "env": env},
    }
    return replace(job, epochs=1, steps=steps, spec=spec)


def _events(dice: Random, acts: Mapping[str, float], storm: float) -> list[Event]:
    events, at = [], 0.0
    while (at := at + dice.choice(_PAUSES)) < storm:
        [what] = dice.choices(list(acts), list(acts.values()))
        events.append(Event(at=round(at, 3), what=what, seed=dice.randrange(1 << 32)))
    return events
