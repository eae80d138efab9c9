"""A gang hangs if its pods run and none of them reports for `spec.hang.reportTimeoutSeconds`.

Training is synchronous, so one stuck rank stops all ranks. Only the silence of the whole gang counts:
if the reports of one rank are lost on their way while the others report, the gang does not hang.
Silence counts only while the workers could be heard: after all ranks ran, and after this operator began
to listen. It does not count while a pod is in its grace period or a node is not ready, because that
explains the silence better.

See docs/decisions/0009-what-counts-as-a-hang.md.
See docs/decisions/0018-signs-of-life-come-from-the-loop.md.
"""

from datetime import datetime, timedelta

from stargate_operator.decide.failure import end_attempt
from stargate_operator.decide.observed import Observed
from stargate_operator.decide.plan import Ending, Plan
from stargate_operator.model.ranks import interval_string
from stargate_types.status import Cause


def hang_at(observed: Observed) -> datetime | None:
    """The time at which the silence becomes a hang. None if a hang cannot be judged now."""
    timeout = observed.job.report_timeout
    if timeout is None or not _is_judged(observed):
        return None
    return _silent_since(observed) + timedelta(seconds=timeout)


def hang(observed: Observed) -> Plan | None:
    due = hang_at(observed)
    if due is None or observed.now < due:
        return None
    first = observed.reports.heartbeats.first_silent(observed.listening.report_interval)
    culprit = first[0] if len(first) == 1 else None
    pod = observed.gang.ranks.get(culprit) if culprit is not None else None
    ending = Ending(
        Cause.HANG,
        observed.now,
        message=_message(observed, first),
        rank=culprit,
        node=(pod.node or None) if pod else None,
    )
    return end_attempt(observed, ending)


def _is_judged(observed: Observed) -> bool:
    explained = observed.gang.leaving or observed.node_health.unready
    return observed.has_run and not observed.ended and not explained


def _silent_since(observed: Observed) -> datetime:
    assert observed.attempt is not None
    assert observed.attempt.running is not None
    last_heard = observed.reports.heartbeats.last_heard
    moments = (observed.attempt.running, observed.listening.since, last_heard)
    return max(moment for moment in moments if moment is not None)


def _message(observed: Observed, first: list[int]) -> str:
    """It holds nothing that changes with time, because it becomes the message of a condition."""
    timeout = observed.job.report_timeout
    said = f"no rank has reported for {timeout} s (spec.hang.reportTimeoutSeconds)"
    return f"{said}; the last position known is {observed.position}; {_who(observed, first)}"


def _who(observed: Observed, first: list[int]) -> str:
    heartbeats, size = observed.reports.heartbeats, observed.gang.world_size
    if not first:
        return _nobody(observed)
    never = sorted(set(range(size)) - set(heartbeats.ranks))
    unheard = f"; {_of(never)} never reported" if never else ""
    when = "at about the same time" if len(first) == len(heartbeats.ranks) > 1 else "first"
    return f"{_of(first)} fell silent {when}{_where(observed, first)}{unheard}"


def _nobody(observed: Observed) -> str:
    assert observed.attempt is not None
    assert observed.attempt.running is not None
    if observed.listening.since <= observed.attempt.running:
        return (
            "no rank has reported since all of them ran:"
            " check that the workers can reach the report server"
        )
    return (
        f"no rank has reported since {observed.listening.since:%Y-%m-%dT%H:%M:%SZ}, when the operator"
        " began to listen, so the first rank to fall silent is not known"
    )


def _where(observed: Observed, ranks: list[int]) -> str:
    """The node, if it is one rank, and the step that these ranks reached."""
    pod = observed.gang.ranks.get(ranks[0]) if len(ranks) == 1 else None
    node = f" on {pod.node}" if pod and pod.node else ""
    heartbeats = observed.reports.heartbeats
    steps, all_steps = heartbeats.steps(ranks), heartbeats.steps(heartbeats.ranks)
    if steps is None or all_steps is None:
        return node
    beyond = f" (others had come to {all_steps[1]})" if all_steps[1] > steps[1] else ""
    return f"{node}, after step {steps[0]}{beyond}"


def _of(ranks: list[int]) -> str:
    return f"{'rank' if len(ranks) == 1 else 'ranks'} {interval_string(ranks)}"
