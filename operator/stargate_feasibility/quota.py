"""Judges if the gang's pods fit into the quotas of its namespace."""

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
"""The quota scopes that a worker pod is in. A quota with any other scope does not count workers."""


@dataclass(frozen=True)
class Quota:
    """A ResourceQuota. `hard` and `used` are amounts in base units, by resource."""

    name: str
    hard: Mapping[str, Decimal]
    used: Mapping[str, Decimal]
    concerns_workers: bool = True

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> "Quota":
        """The quota of a ResourceQuota manifest."""
        spec, status = manifest.get("spec") or {}, manifest.get("status") or {}
        scopes = set(spec.get("scopes") or ())
        return cls(
            name=manifest["metadata"]["name"],
            hard=_amounts(status.get("hard") or spec.get("hard")),
            used=_amounts(status.get("used")),
            concerns_workers=scopes <= _OF_ALL_WORKERS and not spec.get("scopeSelector"),
        )


def judge_quota(quota: Quota, need: Need) -> Iterator[tuple[Answer, Reason]]:
    """The reasons against the whole gang (NEVER), or against it beside current use (NOT_NOW)."""
    if not quota.concerns_workers:
        return
    for resource, hard in quota.hard.items():
        per_worker = _of_one_worker(resource, need)
        if per_worker is not None:
            yield from _bounded(quota, resource, hard=hard, asked=per_worker * need.ranks)
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
    """The job itself and its Service count as one object each."""
    for resource in ("services", "count/services", "count/stargatejobs.stargate.dev"):
        if resource in quota.hard:
            hard = quota.hard[resource]
            yield from _bounded(quota, resource, hard=hard, asked=Decimal(1))


def _of_one_worker(resource: str, need: Need) -> Decimal | None:
    """The amount that one worker uses; None for a resource that a worker does not have or state."""
    if resource in ("pods", "count/pods"):
        return Decimal(1)
    for prefix in ("requests.", "limits."):
        if resource.startswith(prefix):
            return need.requests.get(resource.removeprefix(prefix))
    return need.requests.get(resource) if resource in _COMPUTE else None


def _must_be_stated(resource: str) -> bool:
    """True if Kubernetes refuses a pod that does not state the resource while a quota counts it."""
    return resource in ("cpu", "requests.cpu", "limits.cpu")


def _amounts(quantities: Mapping[str, str] | None) -> dict[str, Decimal]:
    return {name: amount(quantity) for name, quantity in (quantities or {}).items()}


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"
