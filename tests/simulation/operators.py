"""The faults of the operator's processes: they crash, stand still, are cut off, and are replaced."""

from collections.abc import Callable
from functools import partial
from random import Random

from tests.kit.api_server.faults import Fault
from tests.kit.api_server.requests import Request
from tests.kit.cluster.replica import Replica
from tests.simulation.acts import Act, any_of
from tests.simulation.world import World

_SECONDS = (1.0, 8.0, 20.0, 40.0)
_SKEWS = (-120.0, -5.0, 5.0, 120.0)
_NO_FAULT = Fault("delayed")


def _crash(world: World, replica: Replica, back_after: float) -> None:
    if replica.runs and not replica.dead:
        world.cluster.crash(replica, back_after=back_after)


def crash(world: World, dice: Random) -> str | None:
    replica = any_of(dice, world.replicas)
    if replica is None:
        return None
    _crash(world, replica, seconds := dice.choice(_SECONDS))
    return f"{replica.name}, back after {seconds:g} s"


def crash_at_a_request(world: World, dice: Random) -> str:
    """The leader dies as one of its next writes arrives: before it is done, or after."""
    skip, seconds, heard = dice.randint(0, 30), dice.choice(_SECONDS), dice.random() < 0.5
    server = world.cluster.server

    def die(request: Request) -> None:
        for replica in world.replicas:
            if request.agent == f"stargate-operator/{replica.name}":
                _crash(world, replica, seconds)

    server.strike(
        _NO_FAULT if heard else Fault("lost"),
        where=lambda request: (
            request.agent.startswith("stargate-operator/")
            and request.verb in ("create", "update", "delete")
            and request.audited != "leases"
        ),
        skip=skip,
        times=1,
        before=None if heard else die,
        then=die if heard else None,
    )
    return f"{'after' if heard else 'before'} write {skip + 1} from now"


def _for_a_while(
    stop: Callable[[Replica], None], go_on: Callable[[Replica], None]
) -> Callable[[World, Random], str | None]:
    def act(world: World, dice: Random) -> str | None:
        replica = any_of(dice, world.replicas)
        if replica is None:
            return None
        seconds = dice.choice(_SECONDS)
        stop(replica)
        world.for_a_while(seconds, partial(go_on, replica))
        return f"{replica.name}, for {seconds:g} s"

    return act


def roll(world: World, dice: Random) -> str | None:
    """An upgrade: told to stop, and another one is started."""
    replica = any_of(dice, world.replicas)
    if replica is None:
        return None
    replica.tell_to_stop()
    seconds = dice.choice((0.0, 1.0, 8.0))
    world.later(seconds, world.cluster.replica)
    return f"{replica.name}, the next one after {seconds:g} s"


def step_the_clock(world: World, dice: Random) -> str | None:
    replica = any_of(dice, world.replicas)
    if replica is None:
        return None
    replica.skew = dice.choice(_SKEWS)
    world.undo.append(lambda: setattr(replica, "skew", 0.0))
    return f"{replica.name} by {replica.skew:+g} s"


OPERATORS = {
    "an operator crashes": Act(1.5, crash),
    "an operator crashes at a write": Act(2.0, crash_at_a_request),
    "an operator stands still": Act(1.0, _for_a_while(Replica.pause, Replica.go_on)),
    "an operator is cut off": Act(1.0, _for_a_while(Replica.cut_off, Replica.reconnect)),
    "an operator is replaced": Act(1.0, roll),
    "a clock is stepped": Act(0.3, step_the_clock),
}
