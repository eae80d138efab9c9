"""Makes a failing plan smaller, as long as it fails in the same way."""

from collections.abc import Callable, Iterator

from tests.simulation.plan import Plan

Fails = Callable[[Plan], bool]


def shrunk(plan: Plan, fails: Fails) -> Plan:
    """`fails` says whether a plan still shows the fault. What it returns does."""
    smaller: Plan | None = plan
    while smaller is not None:
        plan = smaller
        smaller = next((each for each in _smaller(plan) if fails(each)), None)
    return plan


def _smaller(plan: Plan) -> Iterator[Plan]:
    """Big steps first."""
    size = len(plan.events)
    while size:
        for start in range(0, len(plan.events), size):
            yield plan.without_events(set(range(start, start + size)))
        size //= 2
    if len(plan.jobs) > 1:
        for index in range(len(plan.jobs)):
            yield plan.without_job(index)
