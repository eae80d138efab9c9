"""StargateJob: one training job, one gang of workers."""

from typing import Annotated

from pydantic import Field

from stargate_types.base import Model, ObjectMeta, Rule
from stargate_types.job_policies import (
    CheckpointPolicy,
    Hang,
    Placement,
    Rendezvous,
    RestartPolicy,
    Scheduling,
)
from stargate_types.status import AttemptStatus, StargateJobStatus
from stargate_types.strings import (
    AcceleratorType,
    ObjectName,
    Seconds,
    Title,
    Uri,
)
from stargate_types.worker_template import WorkerTemplate

NODES_PER_TIMEOUT_SECOND = 33
"""Most ranks for each second of a hang timeout; a larger gang could not report in time."""

MAX_STEPS = 1_000_000_000_000
"""Every reader of JSON keeps such a number exactly."""

MAX_NODES = 99_999
"""Five digits: a pod is named <job>-<attempt>-<rank> and must fit a DNS label."""


class ResourceAllocation(Model):
    """Resources of the gang: `nodes` workers of equal size."""

    nodes: int = Field(
        ge=1,
        le=MAX_NODES,
        description="Number of workers. A worker is one pod and one rank, so this is the world size.",
    )
    gpu_equivalents_per_node: int = Field(
        ge=1,
        le=4096,
        description="Accelerator capacity of each worker, in GPU equivalents: a multiple of the"
        " AcceleratorClass's gpuEquivalentsPerDevice.",
    )
    memory_gb_per_node: int = Field(
        ge=1,
        le=1_048_576,
        description="Memory of each worker in decimal gigabytes (10^9 bytes): request and limit.",
    )


_IMMUTABLE = (
    "modelName",
    "datasetPath",
    "epochs",
    "acceleratorType",
    "resourceAllocation",
    "optimizationStrategy",
    "checkpointIntervalEpochs",
    "scheduling",
    "rendezvous",
    "checkpoint",
)
_IMMUTABLE_OPTIONAL = ("runtime", "steps", "template")


def _immutable(field: str) -> Rule:
    return Rule(
        f"self.{field} == oldSelf.{field}",
        f"spec.{field} is immutable; delete the job and apply it under the new value",
        f".{field}",
    )


def _immutable_optional(field: str) -> Rule:
    return Rule(
        f"has(self.{field}) == has(oldSelf.{field})"
        f" && (!has(self.{field}) || self.{field} == oldSelf.{field})",
        f"spec.{field} is immutable; delete the job and apply it under the new value",
        f".{field}",
    )


class StargateJobSpec(Model):
    """The training configuration, and what a job may ask for beyond it."""

    rules = (
        Rule(
            "self.checkpointIntervalEpochs <= self.epochs",
            "spec.checkpointIntervalEpochs must be at most spec.epochs: no checkpoint would ever"
            " be written",
            ".checkpointIntervalEpochs",
        ),
        Rule(
            f"!has(self.hang) || self.hang.reportTimeoutSeconds * {NODES_PER_TIMEOUT_SECOND}"
            " >= self.resourceAllocation.nodes",
            "spec.hang.reportTimeoutSeconds must be at least spec.resourceAllocation.nodes /"
            f" {NODES_PER_TIMEOUT_SECOND}: the ranks of a gang share 100 reports a second, and each"
            " must have had its turn before it is missed",
            ".hang.reportTimeoutSeconds",
        ),
        *map(_immutable, _IMMUTABLE),
        *map(_immutable_optional, _IMMUTABLE_OPTIONAL),
    )
    model_name: Title = Field(
        description="Name of the model that is trained; the trainer reads it as STARGATE_MODEL_NAME."
    )
    dataset_path: Uri = Field(
        description="URI of the data set. The runtime's storage says what its scheme means; the trainer"
        " finds the data at STARGATE_DATASET_PATH."
    )
    epochs: int = Field(ge=1, le=10_000_000, description="Number of epochs to train.")
    steps: Annotated[int, Field(ge=1, le=MAX_STEPS)] | None = Field(
        default=None,
        description="Number of optimizer steps to train, over all epochs; the trainer reads it as"
        " STARGATE_STEPS. Percent and remaining time go by it. Where absent, they go by the totalSteps"
        " that the trainer reports, else by epochs.",
    )
    accelerator_type: AcceleratorType = Field(
        description="The hardware: the acceleratorType of an AcceleratorClass."
    )
    resource_allocation: ResourceAllocation = Field(description="Resources of the gang.")
    optimization_strategy: Title = Field(
        description="Name of the optimizer, as the trainer knows it (STARGATE_OPTIMIZATION_STRATEGY)."
        " The operator does not interpret it."
    )
    checkpoint_interval_epochs: int = Field(
        ge=1,
        le=10_000_000,
        description="Number of epochs between two checkpoints; the trainer reads it as"
        " STARGATE_CHECKPOINT_INTERVAL_EPOCHS.",
    )
    runtime: ObjectName | None = Field(
        default=None,
        description="Name of the StargateRuntime. The runtime with isDefault where absent.",
    )
    template: WorkerTemplate | None = Field(
        default=None, description="Settings of the worker pods that differ from the runtime's."
    )
    checkpoint: CheckpointPolicy = Field(
        default=CheckpointPolicy(), description="Folder of the checkpoints, and how many are kept."
    )
    restart_policy: RestartPolicy = Field(
        default=RestartPolicy(), description="How often the gang starts again after a failure."
    )
    scheduling: Scheduling = Field(default=Scheduling(), description="How the gang gets its nodes.")
    rendezvous: Rendezvous = Field(
        default=Rendezvous(), description="How the ranks find each other."
    )
    hang: Hang | None = Field(
        default=None,
        description="When a silent gang is taken to hang. Silence is never a hang where absent.",
    )
    suspend: bool = Field(
        default=False,
        description="true stops all pods, which may save within their grace period, and frees their"
        " nodes. false starts the gang again from its last complete checkpoint.",
    )
    active_deadline_seconds: Annotated[int, Field(ge=1, le=315_360_000)] | None = Field(
        default=None,
        description="Longest time, in seconds, that the job may be active. It counts from"
        " status.startTime, the job's start or its last resumption, and includes waiting for nodes"
        " and restarts. When it is over, the job fails (reason DeadlineExceeded); its workers may"
        " save within their grace period. No limit where absent.",
    )
    ttl_seconds_after_finished: Seconds | None = Field(
        default=None,
        description="Seconds from status.completionTime until the operator deletes the job and its pods."
        " The job is never deleted where absent.",
    )


class StargateJob(Model):
    """A distributed training job: a gang of workers that starts whole, reports, and recovers."""

    rules = (
        Rule(
            "self.metadata.name.size() <= 50"
            " && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
            "metadata.name must be at most 50 characters, lower-case letters, digits and '-',"
            " starting with a letter: it becomes a Service, a hostname and a label",
            ".metadata.name",
        ),
    )
    metadata: ObjectMeta = ObjectMeta()
    spec: StargateJobSpec = Field(description="The training configuration.")
    status: StargateJobStatus = Field(
        default_factory=StargateJobStatus, description="State of the job, as the operator knows it."
    )

    @property
    def uid(self) -> str:
        """The UID of the object."""
        return self.metadata.uid

    @property
    def key(self) -> str:
        """The id of the job, `namespace/name`."""
        return f"{self.metadata.namespace}/{self.metadata.name}"

    @property
    def placement(self) -> Placement | None:
        """The place in which the gang must run; None where it may run on any nodes."""
        return self.spec.scheduling.placement

    @property
    def report_timeout(self) -> int | None:
        """Seconds without a report after which the gang counts as hanging; None: never."""
        return self.spec.hang.report_timeout_seconds if self.spec.hang else None

    @property
    def current_attempt(self) -> AttemptStatus | None:
        """The attempt that runs, is about to run, or ran last. None before the first."""
        attempts = self.status.attempts
        return attempts[-1] if attempts else None

    @property
    def previous_attempt(self) -> AttemptStatus | None:
        """The attempt before the current one, while the status holds it."""
        attempts = self.status.attempts
        return attempts[-2] if len(attempts) > 1 else None

    @property
    def current_world_size(self) -> int:
        """Number of ranks of the current attempt. Before the first attempt, the number that the spec
        asks for."""
        attempt = self.current_attempt
        return attempt.world_size if attempt else self.spec.resource_allocation.nodes
