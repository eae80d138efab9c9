"""The objects of a gang beside its pods: the headless Service for its rendezvous, and a PodGroup."""

from typing import Any

from stargate_operator.constants import LABEL_ATTEMPT, LABEL_JOB_UID, LABEL_RANK, RENDEZVOUS_PORT
from stargate_operator.desired.pods import job_labels, owner_reference
from stargate_types import StargateJob

Manifest = dict[str, Any]


def pod_group_name(job: StargateJob, attempt: int) -> str:
    return f"{job.metadata.name}-{attempt}"


def service(job: StargateJob) -> Manifest:
    """Selects rank 0 alone unless the job asks for names of all.

    A Service over all ranks makes the endpoint controllers rewrite their slices all through start
    and restart.
    """
    selector = {LABEL_JOB_UID: job.uid}
    if job.spec.rendezvous.hostnames == "Rank0":
        selector[LABEL_RANK] = "0"
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(job, job.metadata.name),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": selector,
            "ports": [{"name": "rendezvous", "port": RENDEZVOUS_PORT}],
        },
    }


def pod_group(job: StargateJob, *, attempt: int, api_version: str) -> Manifest:
    """The native gang of one attempt: all of its ranks get a node, or none does."""
    meta = _metadata(job, pod_group_name(job, attempt))
    meta["labels"][LABEL_ATTEMPT] = str(attempt)
    return {
        "apiVersion": api_version,
        "kind": "PodGroup",
        "metadata": meta,
        "spec": {"schedulingPolicy": {"gang": {"minCount": job.current_world_size}}},
    }


def _metadata(job: StargateJob, name: str) -> Manifest:
    return {
        "name": name,
        "namespace": job.metadata.namespace,
        "labels": job_labels(job),
        "ownerReferences": [owner_reference(job)],
    }
