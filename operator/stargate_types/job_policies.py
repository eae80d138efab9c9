"""The policies of a job: checkpoints, restarts, placement, scheduling, hangs, rendezvous."""

from typing import Annotated, Literal

from pydantic import Field

from stargate_types.base import Model, Rule
from stargate_types.strings import LabelKey, ObjectName, Uri


class CheckpointPolicy(Model):
    """Folder of the checkpoints, and how many are kept."""

    uri: Uri | None = Field(
        default=None,
        description="Folder for this job's checkpoints. The default is a folder below the runtime's"
        " checkpoint.uriPrefix: namespace/name-uid, with the first eight characters of the UID. Each"
        " attempt writes to a folder attempt-N in it.",
    )
    retain: int = Field(
        default=3,
        ge=2,
        le=10,
        description="How many complete checkpoints are kept. The workers delete older ones.",
    )
    restore_from: Uri | None = Field(
        default=None,
        description="A checkpoint of another job to start from (warm start). It is used until this job"
        " has a complete checkpoint of its own.",
    )


class RestartPolicy(Model):
    """Limit on restarts. When a rank fails, the whole gang starts again from the last checkpoint."""

    max_restarts: int = Field(
        default=10,
        ge=0,
        le=1000,
        description="How many counted failures in a row the job survives without a newer complete"
        " checkpoint between them; one more, and it fails (reason MaxRestartsExceeded). Failures"
        " that are not the training's fault do not count, such as node loss, eviction, preemption"
        " and deletion by hand.",
    )


class Placement(Model):
    """Limits on the place of a gang, which is put whole into one ComputeBlock that has room for it."""

    rules = (
        Rule(
            "has(self.computeBlock) || has(self.maxLatencyMs) || has(self.topologyKey)",
            "spec.scheduling.placement must state computeBlock, maxLatencyMs or topologyKey; leave it"
            " out to let the gang run on any nodes",
        ),
    )
    compute_block: ObjectName | None = Field(
        default=None, description="Name of the ComputeBlock. Any block that fits where absent."
    )
    max_latency_ms: Annotated[float, Field(ge=0, le=60_000)] | None = Field(
        default=None,
        description="Highest latency between two nodes, in milliseconds: only a block that states at"
        " most this latency is used.",
    )
    topology_key: LabelKey | None = Field(
        default=None,
        description="Label of nodes, such as topology.kubernetes.io/zone. The nodes of all ranks have"
        " the same value of it.",
    )


class Scheduling(Model):
    """How the gang gets its nodes."""

    start_timeout_seconds: int = Field(
        default=600,
        ge=1,
        le=86_400,
        description="Longest time, in seconds, that the gang may hold nodes before all ranks run. The"
        " time starts again whenever another rank gets a node or begins to run, so it must be longer"
        " than the pull of the image. When it is over, the gang gives back all"
        " its nodes (cause StartTimeout, not a failure), waits in phase Queued and tries again."
        " A gang that holds no node waits without a limit.",
    )
    placement: Placement | None = Field(
        default=None, description="Limits on the place of the gang; any nodes where absent."
    )


class Hang(Model):
    """Time after which a gang whose pods run, and that reports nothing, counts as hanging."""

    report_timeout_seconds: int = Field(
        ge=1,
        le=604_800,
        description="Longest time, in seconds, without a report from any rank. It counts from when all"
        " ranks run. When it is over, the attempt ends (cause Hang) and the next begins. Choose more"
        " than the longest time that a healthy trainer is silent: at its start, while it evaluates"
        " or saves.",
    )


class Rendezvous(Model):
    """How the ranks find each other."""

    hostnames: Literal["Rank0", "All"] = Field(
        default="Rank0",
        description="Ranks that get a DNS name. Rank0: rank 0 alone, which every rendezvous needs."
        " All: every rank, which costs the control plane about five writes for each pod.",
    )
