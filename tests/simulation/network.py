"""The faults of requests, answers and watches, and the refusals of the API server."""

from functools import partial
from random import Random

from tests.kit.api_server import faults
from tests.kit.api_server.faults import Fault
from tests.kit.api_server.requests import Request
from tests.kit.api_server.watches import Watch
from tests.simulation.acts import Act, any_of
from tests.simulation.world import World

_FAULTS: tuple[Fault, ...] = (
    faults.LOST,
    faults.ANSWER_LOST,
    faults.UNHEARD,
    faults.UNANSWERED,
    faults.too_many(),
    faults.too_many(retry_after=5.0),
    faults.broken(),
    faults.refused(503, "ServiceUnavailable", "the server is currently unable"),
    faults.from_a_proxy(),
    faults.delayed(before=1.0),
    faults.delayed(after=3.0),
    faults.delayed(after=30.0),
)
_VERBS = ("create", "update", "patch", "delete", "get", "list", "watch")
_SECONDS = (1.0, 5.0, 20.0, 60.0)


def _may_fail(request: Request) -> bool:
    return request.audited != "leases"


def _may_get_a_404(request: Request) -> bool:
    """A watch that is answered so is of a kind that is not served, and ends the process."""
    return _may_fail(request) and request.verb != "watch"


def fail_requests(world: World, dice: Random) -> str:
    """The next few of one verb, in one way."""
    fault, verb, times = dice.choice(_FAULTS), dice.choice(_VERBS), dice.randint(1, 5)
    if fault.refusal is not None and fault.refusal.code == 404:
        verb = ""  # a proxy answers so to whatever is asked
    where = _may_fail if verb else _may_get_a_404
    world.cluster.server.strike(fault, verb=verb, times=times, where=where)
    return f"{times} × {verb or 'any verb'}: {fault.kind} {fault.refusal or ''}".rstrip()


def refuse_effects(world: World, dice: Random) -> str:
    """A webhook that denies, or is down, for a while: each create or delete of a pod fails."""
    verb, seconds = dice.choice(("create", "delete")), dice.choice(_SECONDS)
    refusal = dice.choice(
        (
            faults.denied(),
            faults.refused(500, "InternalError", 'failed calling webhook "policy"'),
            faults.quota_conflict(),
        )
    )
    resource = dice.choice(("pods", "pods", "pods", "services"))
    rule = world.cluster.server.strike(
        refusal, verb=verb, resource=resource, where=lambda request: "stargate" in request.agent
    )

    def undo() -> None:
        if rule in world.cluster.server.faults.rules:
            world.cluster.server.faults.remove(rule)

    world.for_a_while(seconds, undo)
    return f"{verb} of {resource}, for {seconds:g} s"


def set_a_quota(world: World, dice: Random) -> str:
    """The namespace may have fewer pods than the jobs want, for a while."""
    wanted = sum(job.ranks for job in world.plan.jobs)
    quota, seconds = world.cluster.quota(dice.randint(0, wanted)), dice.choice(_SECONDS)
    pods = quota.pods

    def undo() -> None:
        quota.pods = 1 << 30

    world.for_a_while(seconds, undo)
    return f"{pods} pods, for {seconds:g} s"


def lose_a_watch(world: World, dice: Random) -> str | None:
    watch = any_of(dice, [watch for watch in world.cluster.server.watches if not watch.over])
    if watch is None:
        return None
    how = dice.choice(("held", "held", "ended", "expired", "broken", "compacted", "outdated"))
    if how == "outdated":
        seconds = dice.choice(_SECONDS)
        watch.hold()
        world.later(seconds, partial(_outdate, world, watch))
        return f"{watch.resource.plural} held for {seconds:g} s and compacted"
    if how == "held":
        seconds = dice.choice(_SECONDS)
        watch.hold()
        world.for_a_while(seconds, watch.release)
        return f"{watch.resource.plural} held for {seconds:g} s"
    if how == "compacted":
        world.cluster.server.compact()
        watch.drop()
    else:
        {"ended": watch.end, "expired": watch.expire, "broken": watch.break_off}[how]()
    return f"{watch.resource.plural} {how}"


def _outdate(world: World, watch: Watch) -> None:
    """The client never gets what it has missed, and must list again."""
    if not watch.over:
        world.cluster.server.compact()
        watch.drop()
        watch.release()


def break_all_watches(world: World, dice: Random) -> str:
    """As when an API server is restarted; the history may be gone then."""
    compacted = dice.random() < 0.5
    if compacted:
        world.cluster.server.compact()
    for watch in list(world.cluster.server.watches):
        if not watch.over:
            watch.break_off()
    return "and the history is compacted" if compacted else "all of them"


def conflict_a_status(world: World, dice: Random) -> str | None:
    """Somebody else writes to a job, so that the operator's next write conflicts."""
    job = any_of(dice, world.living)
    if job is None:
        return None
    job.annotate("touched", str(dice.randrange(1 << 16)))
    return job.name


NETWORK = {
    "requests fail": Act(5.0, fail_requests),
    "a webhook refuses": Act(1.0, refuse_effects),
    "a quota is set": Act(0.7, set_a_quota),
    "a watch is lost": Act(3.0, lose_a_watch),
    "all watches break": Act(0.7, break_all_watches),
    "somebody else writes to a job": Act(1.0, conflict_a_status),
}
