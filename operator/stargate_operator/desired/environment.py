"""The environment of a worker: who it is, where it resumes, where it reports.

Names under STARGATE_ are the project's contract with trainers; PET_* are torchrun's own, and
JOB_COMPLETION_INDEX is what frameworks written for an Indexed Job look for.

See docs/decisions/0012-what-a-pod-costs.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stargate_operator.constants import RENDEZVOUS_PORT, TOKEN_DIRECTORY
from stargate_operator.desired.uris import attempt_folder, inside_worker
from stargate_operator.model.blueprint import Blueprint
from stargate_types import API_VERSION, StargateJob
from stargate_types.base import Model
from stargate_types.pod_environment import EnvVar
from stargate_types.position import START

Entry = dict[str, Any]


@dataclass(frozen=True)
class ReportTarget:
    """The address for reports: the server's base URL and the CA bundle (PEM) that signs it."""

    base_url: str
    ca_bundle: str

    def url(self, job: StargateJob) -> str:
        meta = job.metadata
        path = f"/apis/{API_VERSION}/namespaces/{meta.namespace}/stargatejobs/{meta.name}/report"
        return self.base_url.rstrip("/") + path


def pod_name(job_name: str, attempt: int, rank: int | str) -> str:
    return f"{job_name}-{attempt}-{rank}"


def master_address(job: StargateJob, attempt: int) -> str:
    """The address of rank 0 of the same attempt. A late worker of an older attempt can never join."""
    meta = job.metadata
    return f"{pod_name(meta.name, attempt, 0)}.{meta.name}.{meta.namespace}.svc"


def environment(
    job: StargateJob, blueprint: Blueprint, *, attempt: int, rank: str, target: ReportTarget
) -> list[Entry]:
    """The whole environment of a worker. If two entries have one name, the operator's own wins.

    The operator's come first: a variable may refer to those before it, as in `$(STARGATE_MASTER_ADDR)`.
    """
    ours = {
        **_facts(job, blueprint, attempt=attempt, rank=rank),
        **_torchrun(job, blueprint, attempt=attempt, rank=rank),
        # See docs/decisions/0017-nobody-leaves-before-the-last-save-counts.md.
        "STARGATE_GRACE_PERIOD_SECONDS": str(blueprint.template.termination_grace_period_seconds),
        "STARGATE_REPORT_URL": target.url(job),
        "STARGATE_REPORT_CA": target.ca_bundle,
        "STARGATE_REPORT_TOKEN_FILE": f"{TOKEN_DIRECTORY}/token",
    }
    return _with(ours, blueprint.template.env)


def init_environment(
    job: StargateJob,
    blueprint: Blueprint,
    *,
    attempt: int,
    rank: str,
    stated: Sequence[EnvVar],
) -> list[Entry]:
    """The environment of an init container: what the worker will train, and `stated`. It reports nothing
    and meets no other rank."""
    return _with(_facts(job, blueprint, attempt=attempt, rank=rank), stated)


def _with(ours: dict[str, str], stated: Sequence[EnvVar]) -> list[Entry]:
    theirs = [wire(entry) for entry in stated if entry.name not in ours]
    return [*({"name": name, "value": literal(value)} for name, value in ours.items()), *theirs]


def literal(text: str) -> str:
    """A value that the kubelet leaves as it is. It expands `$(NAME)`, and makes `$` of `$$`."""
    return text.replace("$", "$$")


def wire(part: Model) -> Entry:
    """A part of a custom resource in the form that a manifest has."""
    return part.model_dump(by_alias=True, exclude_none=True)


def _facts(job: StargateJob, blueprint: Blueprint, *, attempt: int, rank: str) -> dict[str, str]:
    return {
        **_identity(job, attempt=attempt, rank=rank),
        **_spec(job, blueprint),
        **_checkpoints(job, blueprint, attempt),
    }


def _identity(job: StargateJob, *, attempt: int, rank: str) -> dict[str, str]:
    return {
        "STARGATE_JOB": job.metadata.name,
        "STARGATE_NAMESPACE": job.metadata.namespace,
        "STARGATE_JOB_UID": job.uid,
        "STARGATE_ATTEMPT": str(attempt),
        "STARGATE_RANK": rank,
        "STARGATE_WORLD_SIZE": str(job.current_world_size),
        "STARGATE_MASTER_ADDR": master_address(job, attempt),
        "STARGATE_MASTER_PORT": str(RENDEZVOUS_PORT),
        "JOB_COMPLETION_INDEX": rank,
    }


def _spec(job: StargateJob, blueprint: Blueprint) -> dict[str, str]:
    """`STARGATE_STEPS` is always set and may be empty, so that envFrom cannot forge it."""
    spec, storages = job.spec, blueprint.runtime.spec.storage or []
    return {
        "STARGATE_MODEL_NAME": spec.model_name,
        "STARGATE_DATASET_URI": spec.dataset_path,
        "STARGATE_DATASET_PATH": inside_worker(spec.dataset_path, storages),
        "STARGATE_EPOCHS": str(spec.epochs),
        "STARGATE_STEPS": _number(spec.steps),
        "STARGATE_ACCELERATOR_TYPE": spec.accelerator_type,
        "STARGATE_GPU_EQUIVALENTS": str(spec.resource_allocation.gpu_equivalents_per_node),
        "STARGATE_MEMORY_GB": str(spec.resource_allocation.memory_gb_per_node),
        "STARGATE_OPTIMIZATION_STRATEGY": spec.optimization_strategy,
        "STARGATE_CHECKPOINT_INTERVAL_EPOCHS": str(spec.checkpoint_interval_epochs),
    }


def _checkpoints(job: StargateJob, blueprint: Blueprint, attempt: int) -> dict[str, str]:
    """The resume point. It is always set and may be empty, so that envFrom cannot forge it."""
    storages = blueprint.runtime.spec.storage or []
    folder = attempt_folder(blueprint.checkpoint_base, attempt)
    restored = job.status.checkpoints and job.status.checkpoints.restored_from
    uri, position = (restored.uri, restored.position) if restored else ("", None)
    position = position or START
    return {
        "STARGATE_CHECKPOINT_URI": folder,
        "STARGATE_CHECKPOINT_PATH": inside_worker(folder, storages),
        "STARGATE_CHECKPOINT_RETAIN": str(job.spec.checkpoint.retain),
        "STARGATE_RESUME_EPOCH": str(position.epoch),
        "STARGATE_RESUME_STEP": _number(position.step),
        "STARGATE_RESUME_URI": uri,
        "STARGATE_RESUME_PATH": inside_worker(uri, storages) if uri else "",
    }


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


def _torchrun(job: StargateJob, blueprint: Blueprint, *, attempt: int, rank: str) -> dict[str, str]:
    return {
        "PET_NNODES": str(job.current_world_size),
        "PET_NPROC_PER_NODE": str(blueprint.devices_per_node),
        "PET_NODE_RANK": rank,
        "PET_MASTER_ADDR": master_address(job, attempt),
        "PET_MASTER_PORT": str(RENDEZVOUS_PORT),
    }
