"""Resolves what a job refers to: its runtime and its accelerator class, or why it cannot yet.

A missing object is not an exception. It becomes a `Refusal`, which the operator shows as a condition
that names what is missing and what exists; the condition ends when the missing object appears.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TypeVar

from stargate_feasibility.reasons import Reasons
from stargate_feasibility.template import DEFAULT_SERVICE_ACCOUNT, MergedTemplate, merge
from stargate_types import AcceleratorClass, StargateJob, StargateRuntime
from stargate_types.base import ObjectMeta

_NAMED_AT_MOST = 10

T = TypeVar("T", StargateRuntime, AcceleratorClass)


@dataclass(frozen=True)
class Refusal:
    """Why a job cannot be accepted now; or, where `waits` is true, why it cannot start yet."""

    reason: str
    message: str
    waits: bool = False


@dataclass(frozen=True)
class Resolution:
    """The runtime and accelerator class of a job, and what follows from them."""

    runtime: StargateRuntime
    accelerator: AcceleratorClass
    template: MergedTemplate
    image: str
    devices_per_node: int
    checkpoint_base: str

    @property
    def runtime_id(self) -> str:
        """Identity of the runtime."""
        return identity(self.runtime.metadata)

    @property
    def class_id(self) -> str:
        """Identity of the accelerator class."""
        return identity(self.accelerator.metadata)

    @property
    def watts_per_node(self) -> float:
        """Power of one worker's devices in watts; 0 where the class does not state it."""
        return float((self.accelerator.spec.watts_per_device or 0) * self.devices_per_node)


def identity(meta: ObjectMeta) -> str:
    """`name/uid/generation`: identifies the object that an attempt uses, also after a later edit."""
    return f"{meta.name}/{meta.uid}/{meta.generation}"


def resolve(
    job: StargateJob, *, runtimes: Iterable[StargateRuntime], classes: Iterable[AcceleratorClass]
) -> Resolution | Refusal:
    """The job's runtime and class, or the first reason why it cannot have them."""
    runtime = _find_runtime(job, list(runtimes))
    if isinstance(runtime, Refusal):
        return runtime
    accelerator = _find_class(job, list(classes))
    if isinstance(accelerator, Refusal):
        return accelerator
    return _not_allowed(job, runtime) or _combine(job, runtime, accelerator)


def _find_runtime(job: StargateJob, runtimes: list[StargateRuntime]) -> StargateRuntime | Refusal:
    if job.spec.runtime is None:
        return _default_runtime(runtimes)
    for runtime in runtimes:
        if runtime.metadata.name == job.spec.runtime:
            return runtime
    return Refusal(
        Reasons.RUNTIME_NOT_FOUND,
        f"spec.runtime: there is no StargateRuntime {job.spec.runtime!r};"
        f" {existing((r.metadata.name for r in runtimes), instead_of=job.spec.runtime)}",
    )


def _default_runtime(runtimes: list[StargateRuntime]) -> StargateRuntime | Refusal:
    defaults = _own_first(runtime for runtime in runtimes if runtime.spec.is_default)
    if len(defaults) == 1:
        return defaults[0]
    if not defaults:
        return Refusal(
            Reasons.RUNTIME_NOT_FOUND,
            "spec.runtime is not set and no StargateRuntime has spec.isDefault;"
            f" {existing(runtime.metadata.name for runtime in runtimes)}",
        )
    return Refusal(
        Reasons.RUNTIME_AMBIGUOUS,
        "spec.runtime is not set and more than one StargateRuntime has spec.isDefault:"
        f" {listed(runtime.metadata.name for runtime in defaults)}",
    )


def _own_first(found: Iterable[T]) -> list[T]:
    """An object that the installation brought counts only while nobody has created one of their own."""
    # See docs/decisions/0036-own-objects-win-over-defaults.md.
    objects = list(found)
    return [item for item in objects if not item.metadata.brought] or objects


def _find_class(job: StargateJob, classes: list[AcceleratorClass]) -> AcceleratorClass | Refusal:
    wanted = job.spec.accelerator_type
    found = _own_first(
        accelerator for accelerator in classes if accelerator.spec.accelerator_type == wanted
    )
    if len(found) == 1:
        return found[0]
    if not found:
        return Refusal(
            Reasons.ACCELERATOR_CLASS_NOT_FOUND,
            f"spec.acceleratorType: no AcceleratorClass states {wanted!r};"
            f" {existing((item.spec.accelerator_type for item in classes), instead_of=wanted)}",
        )
    return Refusal(
        Reasons.ACCELERATOR_CLASS_AMBIGUOUS,
        f"spec.acceleratorType: more than one AcceleratorClass states {wanted!r}:"
        f" {listed(accelerator.metadata.name for accelerator in found)}",
    )


def _not_allowed(job: StargateJob, runtime: StargateRuntime) -> Refusal | None:
    template = job.spec.template
    if template is None:
        return None
    accounts = [DEFAULT_SERVICE_ACCOUNT, *(runtime.spec.allowed_service_accounts or ())]
    if template.service_account_name and template.service_account_name not in accounts:
        return Refusal(
            Reasons.SERVICE_ACCOUNT_NOT_ALLOWED,
            f"spec.template.serviceAccountName: runtime {runtime.metadata.name!r} allows"
            f" {listed(accounts)}, not {template.service_account_name!r}",
        )
    priorities = runtime.spec.allowed_priority_classes or []
    if template.priority_class_name and template.priority_class_name not in priorities:
        return Refusal(
            Reasons.PRIORITY_CLASS_NOT_ALLOWED,
            f"spec.template.priorityClassName: runtime {runtime.metadata.name!r} allows"
            f" {listed(priorities) or 'none'}, not {template.priority_class_name!r}",
        )
    return None


def _combine(
    job: StargateJob, runtime: StargateRuntime, accelerator: AcceleratorClass
) -> Resolution | Refusal:
    wanted = job.spec.resource_allocation.gpu_equivalents_per_node
    per_device = accelerator.spec.gpu_equivalents_per_device
    if wanted % per_device:
        return Refusal(
            Reasons.GPU_EQUIVALENTS_DO_NOT_DIVIDE,
            f"spec.resourceAllocation.gpuEquivalentsPerNode: {wanted} is not a multiple of"
            f" {per_device}, the GPU equivalents of one device of"
            f" AcceleratorClass {accelerator.metadata.name!r}",
        )
    template = merge(job, runtime)
    if not template.image:
        return Refusal(
            Reasons.NO_IMAGE,
            f"spec.template.image is not set and runtime {runtime.metadata.name!r} has none",
        )
    base = _checkpoint_base(job, runtime)
    if isinstance(base, Refusal):
        return base
    return Resolution(
        runtime=runtime,
        accelerator=accelerator,
        template=template,
        image=template.image,
        devices_per_node=wanted // per_device,
        checkpoint_base=base,
    )


def _checkpoint_base(job: StargateJob, runtime: StargateRuntime) -> str | Refusal:
    if job.spec.checkpoint.uri:
        return job.spec.checkpoint.uri.rstrip("/")
    if runtime.spec.checkpoint is None:
        return Refusal(
            Reasons.NO_CHECKPOINT_PLACE,
            "spec.checkpoint.uri is not set and runtime"
            f" {runtime.metadata.name!r} has no checkpoint.uriPrefix",
        )
    meta = job.metadata
    prefix = runtime.spec.checkpoint.uri_prefix.rstrip("/")
    return f"{prefix}/{meta.namespace}/{meta.name}-{meta.uid[:8]}"


def existing(names: Iterable[str], instead_of: str = "") -> str:
    """A clause that lists the names that exist, and suggests the one closest to `instead_of`."""
    found = list(names)
    close = get_close_matches(instead_of, found, n=1)
    suggestion = f"did you mean {close[0]!r}? " if close else ""
    return f"{suggestion}there are {listed(found)}" if found else "there are none"


def listed(names: Iterable[str]) -> str:
    """The names in order, ten at most."""
    ordered = sorted(names)
    more = f" and {len(ordered) - _NAMED_AT_MOST} more" if len(ordered) > _NAMED_AT_MOST else ""
    return ", ".join(ordered[:_NAMED_AT_MOST]) + more
