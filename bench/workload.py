"""The gang that every contender runs: the article's job with `size` nodes, with equal pods."""

from dataclasses import dataclass
from typing import Any

import msgspec

from stargate_operator.desired.environment import ReportTarget
from stargate_operator.desired.pods import PodStamp, pod_stamp, worker_pod
from stargate_operator.model.blueprint import Blueprint, resolve
from stargate_types import API_VERSION, AcceleratorClass, StargateJob, StargateRuntime

Manifest = dict[str, Any]

NAME = "gang"
NAMESPACE = "bench"
GRACE_SECONDS = 2
"""Grace period of every pod, which all contenders use when they delete it."""

JOBS = f"/apis/{API_VERSION}/namespaces/{NAMESPACE}/stargatejobs"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"


def stargate_job(size: int) -> Manifest:
    return {
        "apiVersion": API_VERSION,
        "kind": "StargateJob",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {
            "modelName": "Stargate-Materia-v3",
            "datasetPath": "stargate_storage://massive_multi_modal_dataset_2026",
            "epochs": 100,
            "acceleratorType": "stargate_silicon_v2",
            "resourceAllocation": {
                "nodes": size,
                "gpuEquivalentsPerNode": 8,
                "memoryGbPerNode": 256,
            },
            "optimizationStrategy": "distributed_adam_optimized",
            "checkpointIntervalEpochs": 5,
            "template": {"terminationGracePeriodSeconds": GRACE_SECONDS},
            "scheduling": {"startTimeoutSeconds": 3600},
        },
    }


@dataclass(frozen=True)
class Recipe:
    """The inputs of a pod beside the job: the cluster's catalog and the operator's address."""

    runtime: StargateRuntime
    accelerator: AcceleratorClass
    target: ReportTarget

    def stamp(self, created: Manifest, attempt: int) -> PodStamp:
        """The same pod bodies that the operator sends for this StargateJob."""
        job = StargateJob.model_validate(created)
        return pod_stamp(job, self._blueprint(job), attempt=attempt, target=self.target)

    def indexed_job(self, size: int, attempt: int) -> Manifest:
        """A Job with the same pods; it ends with the first failure, because no rank can train alone."""
        job = StargateJob.model_validate(_with_uid(stargate_job(size)))
        pod = worker_pod(job, self._blueprint(job), attempt=attempt, rank="0", target=self.target)
        del pod["spec"]["hostname"]
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": f"{NAME}-{attempt}", "namespace": NAMESPACE},
            "spec": {
                "completionMode": "Indexed",
                "completions": size,
                "parallelism": size,
                "backoffLimit": 0,
                "template": {
                    "metadata": {"labels": pod["metadata"]["labels"]},
                    "spec": pod["spec"],
                },
            },
        }

    def _blueprint(self, job: StargateJob) -> Blueprint:
        found = resolve(job, runtimes=[self.runtime], classes=[self.accelerator])
        assert isinstance(found, Blueprint), found
        return found


def _with_uid(job: Manifest) -> Manifest:
    return {**job, "metadata": {**job["metadata"], "uid": "bench"}}


class Batch(msgspec.Struct):
    """The pods that the floor creates: a template, and their number."""

    encoded: str
    rank_mark: str
    shard_mark: str
    size: int

    @classmethod
    def of(cls, stamp: PodStamp, size: int) -> "Batch":
        encoded, rank, shard = stamp.encoded, stamp.rank_mark, stamp.shard_mark
        return cls(encoded.decode(), rank.decode(), shard.decode(), size)

    @property
    def stamp(self) -> PodStamp:
        encoded, rank, shard = self.encoded, self.rank_mark, self.shard_mark
        return PodStamp(encoded.encode(), rank.encode(), shard.encode())
