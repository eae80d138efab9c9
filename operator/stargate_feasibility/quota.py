"""Whether the gang's pods fit into the quotas of its namespace."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from stargate_feasibility.answer import Answer
from stargate_feasibility.need import Need
from stargate_feasibility.reasons import Reason, Reasons
from stargate_types.quantity import amount

_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_OF_ALL_WORKERS = frozenset({"NotTerminating", "NotBestEffort"})
"""Scopes that a worker pod is in; of others the answer says nothing."""


@dataclass(frozen=True)
class Quota:
    """A ResourceQuota; `hard` and `used` by resource."""

    name: str
    hard: Mapping[str, Decimal]
    used: Mapping[str, Decimal]
    concerns_workers: bool = True

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> "Quota":
        spec, status = manifest.get("spec") or {}, manifest.get("status") or {}
        scopes = set(spec.get("scopes") or ())
        return cls(
            name=manifest["metadata"]["name"],
            hard=_amounts(status.get("hard") or spec.get("hard")),
            used=_amounts(status.get("used")),
            concerns_workers=scopes <= _OF_ALL_WORKERS and not spec.get("scopeSelector"),
        )


def judge_quota(quota: Quota, need: Need) -> Iterator[tuple[Answer, Reason]]:
    """What it forbids: all at once (never), or beside what is used already (not now)."""
    if not quota.concerns_workers:
        return
    for resource, hard in quota.hard.items():
        each = _of_one_worker(resource, need)
        if each is not None:
            yield from _bounded(quota, resource, hard=hard, asked=each * need.ranks)
        elif _must_be_stated(resource):
            message = (
                f"quota {quota.name!r} counts {resource}, which the job does not state: set"
                f" spec.template.cpu or the runtime's, unless a LimitRange supplies it"
            )
            yield Answer.NOT_NOW, Reason(Reasons.QUOTA_NEEDS_REQUEST, message, "spec.template.cpu")
    yield from _one_object_more(quota)


def _bounded(
    quota: Quota, resource: str, *, hard: Decimal, asked: Decimal
) -> Iterator[tuple[Answer, Reason]]:
    left = hard - quota.used.get(resource, Decimal(0))
    numbers = f"{_plain(asked)} {resource}"
    if asked > hard:
        message = f"quota {quota.name!r}: {numbers} > {_plain(hard)}"
        yield Answer.NEVER, _reason(Reasons.QUOTA_TOO_SMALL, message, asked, hard)
    elif asked > left:
        message = f"quota {quota.name!r}: {numbers} > {_plain(left)} left of {_plain(hard)}"
        yield Answer.NOT_NOW, _reason(Reasons.QUOTA_USED_UP, message, asked, left)


def _reason(reason: str, message: str, asked: Decimal, found: Decimal) -> Reason:
    return Reason(reason, message, "spec.resourceAllocation", float(asked), float(found))


def _one_object_more(quota: Quota) -> Iterator[tuple[Answer, Reason]]:
    """The job itself and its Service."""
    for resource in ("services", "count/services", "count/stargatejobs.stargate.dev"):
        if resource in quota.hard:
            hard = quota.hard[resource]
            yield from _bounded(quota, resource, hard=hard, asked=Decimal(1))


def _of_one_worker(resource: str, need: Need) -> Decimal | None:
    """None: the quota is about something else, or about what the worker does not state."""
    if resource in ("pods", "count/pods"):
        return Decimal(1)
    for prefix in ("requests.", "limits."):
        if resource.startswith(prefix):
            return need.requests.get(resource.removeprefix(prefix))
    return need.requests.get(resource) if resource in _COMPUTE else None


def _must_be_stated(resource: str) -> bool:
    """A pod that says nothing of these is refused under a quota on them."""
    return resource in ("cpu", "requests.cpu", "limits.cpu")


def _amounts(quantities: Mapping[str, str] | None) -> dict[str, Decimal]:
    return {name: amount(each) for name, each in (quantities or {}).items()}


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"
