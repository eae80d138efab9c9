"""The manifest of a worker pod, made once for each attempt and filled in for each rank.

Ranks differ only in their number. So the manifest is encoded once, with a mark in the place of the
rank, and each of 5,000 pods costs a replacement of bytes instead of an encoding of some 60 fields.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from stargate_feasibility.need import worker_resources
from stargate_operator.constants import (
    LABEL_ATTEMPT,
    LABEL_JOB_NAME,
    LABEL_JOB_UID,
    LABEL_RANK,
    LABEL_SHARD,
    SHARDS,
    WORKER_CONTAINER,
)
from stargate_operator.desired.environment import (
    ReportTarget,
    environment,
    init_environment,
    pod_name,
    wire,
)
from stargate_operator.desired.volumes import volume_mounts, volumes
from stargate_operator.model.blueprint import Blueprint
from stargate_types import API_VERSION, StargateJob

Manifest = dict[str, Any]

_UNREADY_TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_NO_SCHEDULE, _NO_EXECUTE = "NoSchedule", "NoExecute"


@dataclass(frozen=True)
class Placement:
    """The limits on where an attempt's pods may go, beyond those of the class.

    `avoided` are names of nodes that are ready, `avoided_unready` of nodes that are not and exist.
    `tolerated_seconds` is how long a pod tolerates an unready node.
    `pod_group` is the native PodGroup that schedules the gang, if the cluster has them."""

    avoided: tuple[str, ...] = ()
    avoided_unready: tuple[str, ...] = ()
    tolerated_seconds: int | None = None
    pod_group: str | None = None


ANYWHERE = Placement()


@dataclass(frozen=True)
class PodStamp:
    """Stamps out the pods of one attempt: `of_rank(r)` is the JSON body of rank r's pod."""

    encoded: bytes
    rank_mark: bytes
    shard_mark: bytes

    def of_rank(self, rank: int) -> bytes:
        sharded = self.encoded.replace(self.shard_mark, b"%d" % (rank % SHARDS))
        return sharded.replace(self.rank_mark, b"%d" % rank)


def pod_stamp(
    job: StargateJob,
    blueprint: Blueprint,
    *,
    attempt: int,
    target: ReportTarget,
    placement: Placement = ANYWHERE,
) -> PodStamp:
    rank_mark, shard_mark = f"@rank-{job.uid}@", f"@shard-{job.uid}@"
    manifest = worker_pod(
        job, blueprint, attempt=attempt, rank=rank_mark, target=target, placement=placement
    )
    manifest["metadata"]["labels"][LABEL_SHARD] = shard_mark
    return PodStamp(msgspec.json.encode(manifest), rank_mark.encode(), shard_mark.encode())


def owner_reference(job: StargateJob) -> Manifest:
    return {
        "apiVersion": API_VERSION,
        "kind": "StargateJob",
        "name": job.metadata.name,
        "uid": job.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def job_labels(job: StargateJob) -> dict[str, str]:
    return {LABEL_JOB_NAME: job.metadata.name, LABEL_JOB_UID: job.uid}


def worker_pod(
    job: StargateJob,
    blueprint: Blueprint,
    *,
    attempt: int,
    rank: str,
    target: ReportTarget,
    placement: Placement = ANYWHERE,
) -> Manifest:
    name = pod_name(job.metadata.name, attempt, rank)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": _metadata(job, blueprint, name=name, attempt=attempt, rank=rank),
        "spec": {
            **_placement(blueprint, placement),
            **_security(blueprint),
            "hostname": name,
            "subdomain": job.metadata.name,
            "restartPolicy": "Never",
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": blueprint.template.termination_grace_period_seconds,
            **_init_containers(job, blueprint, attempt=attempt, rank=rank),
            "containers": [_worker(job, blueprint, attempt=attempt, rank=rank, target=target)],
            "volumes": volumes(job, blueprint),
        },
    }


def _metadata(
    job: StargateJob, blueprint: Blueprint, *, name: str, attempt: int, rank: str
) -> Manifest:
    template = blueprint.template
    labels = {
        **template.labels,
        **job_labels(job),
        LABEL_ATTEMPT: str(attempt),
        LABEL_RANK: rank,
    }
    meta: Manifest = {
        "name": name,
        "namespace": job.metadata.namespace,
        "labels": labels,
        "ownerReferences": [owner_reference(job)],
    }
    if template.annotations:
        meta["annotations"] = dict(template.annotations)
    return meta


def _placement(blueprint: Blueprint, placement: Placement) -> Manifest:
    accelerator, template = blueprint.accelerator.spec, blueprint.template
    placed: Manifest = {}
    selector = {**(accelerator.node_selector or {}), **_of_place(blueprint)}
    if selector:
        placed["nodeSelector"] = selector
    tolerations = [wire(toleration) for toleration in accelerator.tolerations or ()]
    avoided = placement.avoided
    if _goes_to_unready_nodes(tolerations):
        avoided += placement.avoided_unready
    if avoided:
        placed["affinity"] = {"nodeAffinity": _anywhere_but(avoided)}
    if placement.tolerated_seconds is not None:
        tolerations += _unready_tolerations(tolerations, placement.tolerated_seconds)
    if tolerations:
        placed["tolerations"] = tolerations
    if template.priority_class_name:
        placed["priorityClassName"] = template.priority_class_name
    if placement.pod_group:
        placed["schedulingGroup"] = {"podGroupName": placement.pod_group}
    return placed


def _of_place(blueprint: Blueprint) -> dict[str, str]:
    """The node selector of the block. A block that contradicts the class has no node of the class."""
    return blueprint.place.node_selector if blueprint.place else {}


def _anywhere_but(nodes: Iterable[str]) -> Manifest:
    """An affinity that excludes these nodes by name, because a label may differ from the name."""
    others = [{"key": "metadata.name", "operator": "NotIn", "values": [name]} for name in nodes]
    # Karpenter starts no node for such a pod, so it names as few nodes as it can.
    # See docs/decisions/0021-lost-nodes-are-avoided-by-required-affinity.md.
    # See docs/decisions/0046-pods-name-only-avoided-nodes-that-are-ready.md.
    terms = [{"matchFields": others}]
    return {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}


def _unready_tolerations(stated: list[Manifest], seconds: int) -> Iterator[Manifest]:
    """Tolerations for nodes that are not ready. Those that the class states itself win."""
    for key in _UNREADY_TAINTS:
        if not any(_covers(toleration, key, _NO_EXECUTE) for toleration in stated):
            yield {
                "key": key,
                "operator": "Exists",
                "effect": _NO_EXECUTE,
                "tolerationSeconds": seconds,
            }


def _goes_to_unready_nodes(tolerations: list[Manifest]) -> bool:
    return any(
        _covers(toleration, key, _NO_SCHEDULE)
        for toleration in tolerations
        for key in _UNREADY_TAINTS
    )


def _covers(toleration: Manifest, key: str, effect: str) -> bool:
    """True if the toleration lets a pod stay on a node with the taint (NoExecute), or go to it."""
    of_key = toleration.get("key", key) in (key, "")
    return of_key and toleration.get("effect") in (None, "", effect)


def _security(blueprint: Blueprint) -> Manifest:
    runtime, template = blueprint.runtime.spec, blueprint.template
    context: Manifest = {}
    if runtime.pod_security == "Restricted":
        context |= {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    if runtime.run_as_user:
        context["runAsUser"] = runtime.run_as_user
    if runtime.fs_group:
        context["fsGroup"] = runtime.fs_group
    secrets = template.image_pull_secrets
    return {
        "automountServiceAccountToken": False,
        "serviceAccountName": template.service_account_name,
        "securityContext": context,
        **({"imagePullSecrets": [{"name": each.name} for each in secrets]} if secrets else {}),
    }


def _worker(
    job: StargateJob, blueprint: Blueprint, *, attempt: int, rank: str, target: ReportTarget
) -> Manifest:
    template = blueprint.template
    resources = worker_resources(job, blueprint)
    log_lines = blueprint.runtime.spec.log_lines_in_status
    container: Manifest = {
        "name": WORKER_CONTAINER,
        "image": blueprint.image,
        "env": environment(job, blueprint, attempt=attempt, rank=rank, target=target),
        "resources": {"requests": resources, "limits": resources},
        "volumeMounts": volume_mounts(job, blueprint),
        "terminationMessagePolicy": "FallbackToLogsOnError" if log_lines else "File",
        **_container_security(blueprint),
    }
    chosen = {
        "command": list(template.command),
        "args": list(template.args),
        "imagePullPolicy": template.image_pull_policy,
        "envFrom": [wire(source) for source in template.env_from],
    }
    return container | {key: value for key, value in chosen.items() if value}


def _container_security(blueprint: Blueprint) -> Manifest:
    if blueprint.runtime.spec.pod_security != "Restricted":
        return {}
    return {
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
    }


def _init_containers(
    job: StargateJob, blueprint: Blueprint, *, attempt: int, rank: str
) -> Manifest:
    """Init containers with the worker's own resources, so that quotas and QoS see the same pod."""
    worker = worker_resources(job, blueprint)
    shared = {name: amount for name, amount in worker.items() if name in ("cpu", "memory")}
    found = []
    for container in blueprint.template.init_containers:
        stated = container.env or ()
        found.append(
            container.model_dump(by_alias=True, exclude_none=True, exclude={"env"})
            | _container_security(blueprint)
            | {
                "env": init_environment(job, blueprint, attempt=attempt, rank=rank, stated=stated),
                "resources": {"requests": shared, "limits": shared},
            }
        )
    return {"initContainers": found} if found else {}
