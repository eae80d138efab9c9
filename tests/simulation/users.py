"""The wishes of users: they suspend, resume, edit and delete their jobs, and apply them again."""

from random import Random
from typing import Any

from tests.kit.api_server.answers import Refused
from tests.simulation.acts import Act, any_of
from tests.simulation.world import World


def _patched(world: World, dice: Random, **spec: Any) -> str | None:
    job = any_of(dice, world.living)
    if job is None:
        return None
    job.patch(**spec)
    return f"{job.name}: {spec}"


def suspend(world: World, dice: Random) -> str | None:
    return _patched(world, dice, suspend=True)


def resume(world: World, dice: Random) -> str | None:
    return _patched(world, dice, suspend=False)


def edit(world: World, dice: Random) -> str | None:
    """A field that may be changed, at any time."""
    change = dice.choice(
        (
            {"restartPolicy": {"maxRestarts": dice.choice((0, 1, 5, 1000))}},
            {"ttlSecondsAfterFinished": dice.choice((0, 5, 60))},
            {"activeDeadlineSeconds": dice.choice((10, 300, 3000))},
            {"hang": {"reportTimeoutSeconds": dice.choice((60, 600))}},
        )
    )
    return _patched(world, dice, **change)


def delete(world: World, dice: Random) -> str | None:
    job = any_of(dice, world.living)
    if job is None:
        return None
    propagation = dice.choice(("Background", "Background", "Foreground", "Orphan"))
    try:
        job.delete(propagation)
    except Refused:
        return None
    return f"{job.name}, propagation {propagation}"


def apply_again(world: World, dice: Random) -> str | None:
    """Under the name of a job that was deleted."""
    gone = [job for job in world.plan.jobs if job.name not in {j.name for j in world.living}]
    if gone:
        world.apply(dice.choice(gone))
    return None


USERS = {
    "a user suspends a job": Act(1.0, suspend),
    "a user resumes a job": Act(5.0, resume),
    "a user edits a job": Act(1.0, edit),
    "a user deletes a job": Act(0.7, delete),
    "a user applies a job again": Act(2.0, apply_again),
}
