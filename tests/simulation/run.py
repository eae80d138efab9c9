"""Runs a plan from its beginning to its end: a storm of events, then calm, then the verdict.

See docs/decisions/0044-the-operator-is-tested-by-simulation.md.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

from structlog.testing import capture_logs

from tests.kit import virtual_time
from tests.kit.recorder.report import describe, report
from tests.kit.virtual_time import Deadlock, Livelock
from tests.simulation import history, verdict
from tests.simulation.acts import Act, perform
from tests.simulation.machines import MACHINES
from tests.simulation.network import NETWORK
from tests.simulation.operators import OPERATORS
from tests.simulation.plan import Event, JobPlan, Plan, plan_of
from tests.simulation.users import USERS
from tests.simulation.verdict import Line
from tests.simulation.world import World

ACTS: dict[str, Act] = {**USERS, **MACHINES, **NETWORK, **OPERATORS}
_SETTLED_SECONDS = 10.0
BAD_NODE_SECONDS = 300.0
"""From the end of the faults until a node that lets no pod run is repaired: long enough for the operator
to give such a gang's nodes back."""


@dataclass
class Outcome:
    plan: Plan
    violations: list[str] = field(default_factory=list)
    happened: Counter[str] = field(default_factory=Counter)
    causes: set[str] = field(default_factory=set)
    log: list[str] = field(default_factory=list)
    """Every committed write and every event, in order."""
    seconds: float = 0.0
    """The virtual time that it took."""

    @property
    def digest(self) -> str:
        return hashlib.sha256("\n".join(self.log).encode()).hexdigest()

    @property
    def kind(self) -> str:
        """The first violation without its details, to tell whether a smaller plan fails alike."""
        first = self.violations[0] if self.violations else ""
        words = first.split("\n", 1)[0].split()
        return " ".join(word for word in words if word.isalpha())


def plan(seed: int) -> Plan:
    return plan_of(seed, {name: act.weight for name, act in ACTS.items()})


def simulate(plan: Plan, acts: Mapping[str, Act] = ACTS) -> Outcome:
    """The same plan gives the same outcome, to the byte of its log."""
    outcome = Outcome(plan)
    with capture_logs() as log:
        try:
            virtual_time.run(_simulated(plan, acts, outcome, log), dice=Random(plan.seed))
        except (Deadlock, Livelock) as standstill:
            outcome.violations.append(f"{type(standstill).__name__}: {standstill}")
    return outcome


async def _simulated(
    plan: Plan, acts: Mapping[str, Act], outcome: Outcome, log: list[Line]
) -> None:
    world = World.of(plan)
    unhandled = _unhandled_errors()
    try:
        with world.cluster.recorder.interrupted():
            await _storm(world, acts)
            await _calm(world)
        await _judge(world, outcome, log)
        outcome.violations += [f"nobody caught: {error}" for error in unhandled]
    except AssertionError as failed:
        outcome.violations.append(str(failed))
    finally:
        outcome.seconds = world.seconds
        outcome.happened = world.happened
        outcome.log = _log_of(world)
        outcome.causes = _causes(world)
        for replica in world.replicas:
            replica.kill()
            await replica.ended()


async def _storm(world: World, acts: Mapping[str, Act]) -> None:
    for _ in range(world.plan.replicas):
        world.cluster.replica()
    due: list[tuple[float, JobPlan | Event]] = [
        *((job.at, job) for job in world.plan.jobs),
        *((event.at, event) for event in world.plan.events),
    ]
    for at, item in sorted(due, key=lambda entry: entry[0]):
        await asyncio.sleep(max(0.0, at - world.seconds))
        if isinstance(item, JobPlan):
            world.apply(item)
        else:
            perform(world, acts, item.what, item.seed)
    await asyncio.sleep(max(0.0, world.plan.storm - world.seconds))


async def _calm(world: World) -> None:
    """Takes every fault back, and lets every job run on."""
    world.note("calm")
    cluster = world.cluster
    cluster.server.faults.clear()
    for undo in world.undo:
        undo()
    for watch in cluster.server.watches:
        watch.release()
    for node in list(world.silent):
        world.return_node(node)
    for node in list(world.removed):
        world.add_node_again(node)
    for node in list(world.bad_nodes):
        world.later(BAD_NODE_SECONDS, partial(world.heal_node, node))
    world.delete_orphans()
    for story in world.living if world.plan.pauses else ():
        story.patch(suspend=True)
    await asyncio.sleep(60.0)
    if not world.replicas:
        cluster.replica()
    await cluster.until(lambda: cluster.leader, "an operator to lead")
    await asyncio.sleep(_SETTLED_SECONDS)
    world.violations += verdict.held_while_suspended(world)
    for story in world.living:
        story.resume()
    await asyncio.sleep(_SETTLED_SECONDS)


async def _judge(world: World, outcome: Outcome, log: list[Line]) -> None:
    until = world.seconds + verdict.time_to_end(world)
    while world.seconds < until and not verdict.all_have_ended(world):
        world.violations += verdict.overdue(world)
        await asyncio.sleep(1.0)
    await asyncio.sleep(_SETTLED_SECONDS)
    written = await world.cluster.writes_in(verdict.QUIET_SECONDS)
    outcome.violations += [
        *_breaches(world),
        *history.violations(world),
        *dict.fromkeys(world.violations),
        *verdict.unfinished(world),
        *verdict.wrong_ends(world),
        *verdict.too_many_requests(world),
        *verdict.swallowed_errors(log),
    ]
    if written and not outcome.violations:
        outcome.violations.append(f"{written} writes in {verdict.QUIET_SECONDS:g} s of rest")


def _breaches(world: World) -> list[str]:
    recorder = world.cluster.recorder
    return [report(recorder.history, [breach]) for breach in recorder.check()]


def _unhandled_errors() -> list[str]:
    """Filled with what reaches the loop's exception handler."""
    found: list[str] = []

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        del loop
        error = context.get("exception")
        found.append(f"{context['message']}: {error!r}" if error else context["message"])

    asyncio.get_running_loop().set_exception_handler(handle)
    return found


def _log_of(world: World) -> list[str]:
    writes = world.cluster.recorder.writes
    start = world.cluster.server.seconds - world.seconds
    told = [(write.at - start, f"  {describe(write, start)}") for write in writes]
    acts = [(at, f"{at:+8.3f} s {text}") for at, text in world.lines]
    return [text for _, text in sorted([*acts, *told], key=lambda entry: entry[0])]


def _causes(world: World) -> set[str]:
    jobs = (write.job for write in world.cluster.recorder.writes if write.job)
    return {str(each["cause"]) for job in jobs for each in job.attempts if each.get("cause")}
