"""StargateJob: one training job, one gang of workers."""

from typing import Annotated, Literal

from pydantic import Field

from stargate_types.base import Model, ObjectMeta, Quantity, Rule, text
from stargate_types.podparts import (
    EnvFromSource,
    EnvVar,
    ImageName,
    InitContainer,
    LabelKey,
    LabelValue,
    ObjectName,
    ObjectReference,
    Volume,
    VolumeMount,
    Words,
)
from stargate_types.status import AttemptStatus, StargateJobStatus

Uri = Annotated[
    str,
    text(
        r"^[A-Za-z][A-Za-z0-9+._-]*://\S+$",
        "must be a URI without white space, such as s3://bucket/folder",
        max_length=2048,
    ),
]
AcceleratorType = Annotated[
    str,
    text(
        "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$",
        "must be letters, digits, '.', '_' and '-', starting and ending with a letter or digit,"
        " such as stargate_silicon_v2",
        max_length=63,
    ),
]
Title = Annotated[
    str,
    text(r"^\S(.*\S)?$", "must be one line without white space at its ends", max_length=253),
]
Seconds = Annotated[int, Field(ge=0, le=315_360_000)]

NODES_PER_TIMEOUT_SECOND = 33
"""Most ranks for each second of a hang timeout; a larger gang could not report in time."""

MAX_NODES = 99_999
"""Five digits: a pod is named <job>-<attempt>-<rank> and must fit a DNS label."""


class ResourceAllocation(Model):
    """What the gang gets: `nodes` workers of equal size."""

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


class WorkerTemplate(Model):
    """What a job may say of its worker pods beyond the article's fields: an allow-list."""

    image: ImageName | None = Field(
        default=None, description="Image of the worker. The runtime's image by default."
    )
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = Field(
        default=None, description="When the image is pulled. The runtime's policy by default."
    )
    image_pull_secrets: Annotated[list[ObjectReference], Field(max_length=16)] | None = Field(
        default=None,
        description="Secrets of the job's namespace for pulling images.",
        json_schema_extra={"key": "name"},
    )
    command: Words | None = Field(
        default=None, description="Entry point of the worker. The runtime's by default."
    )
    args: Words | None = Field(
        default=None, description="Arguments of the entry point. The runtime's by default."
    )
    env: Annotated[list[EnvVar], Field(max_length=256)] | None = Field(
        default=None,
        description="Environment variables, added to the runtime's. Where both set a name, this value"
        " wins.",
        json_schema_extra={"key": "name"},
    )
    env_from: Annotated[list[EnvFromSource], Field(max_length=16)] | None = Field(
        default=None, description="ConfigMaps and Secrets whose keys become environment variables."
    )
    cpu: Quantity | None = Field(
        default=None, description="CPU of each worker: request and limit. The runtime's by default."
    )
    ephemeral_storage: Quantity | None = Field(
        default=None,
        description="Scratch space of each worker: request and limit. The runtime's by default.",
    )
    volumes: Annotated[list[Volume], Field(max_length=32)] | None = Field(
        default=None,
        description="Volumes, added to the runtime's.",
        json_schema_extra={"key": "name"},
    )
    volume_mounts: Annotated[list[VolumeMount], Field(max_length=32)] | None = Field(
        default=None,
        description="Where the volumes are mounted in the worker.",
        json_schema_extra={"key": "mountPath"},
    )
    labels: Annotated[dict[LabelKey, LabelValue], Field(max_length=32)] | None = Field(
        default=None, description="Labels added to the worker pods."
    )
    annotations: (
        Annotated[dict[LabelKey, Annotated[str, Field(max_length=4096)]], Field(max_length=32)]
        | None
    ) = Field(default=None, description="Annotations added to the worker pods.")
    init_containers: Annotated[list[InitContainer], Field(max_length=8)] | None = Field(
        default=None,
        description="Containers that run to their end before the worker starts.",
        json_schema_extra={"key": "name"},
    )
    termination_grace_period_seconds: Annotated[int, Field(ge=1, le=3600)] | None = Field(
        default=None,
        description="Seconds between SIGTERM and SIGKILL, in which a worker may save. The runtime's by"
        " default.",
    )
    service_account_name: ObjectName | None = Field(
        default=None,
        description="ServiceAccount of the workers: `default`, or one of the runtime's"
        " allowedServiceAccounts.",
    )
    priority_class_name: ObjectName | None = Field(
        default=None,
        description="PriorityClass of the workers: one of the runtime's allowedPriorityClasses. None by"
        " default.",
    )
    rules = (
        Rule(
            "!has(self.labels) || self.labels.all(k, !k.startsWith('stargate.dev/'))",
            "spec.template.labels: keys under stargate.dev/ belong to the operator",
            ".labels",
            "FieldValueForbidden",
        ),
        Rule(
            "!has(self.annotations) || self.annotations.all(k, !k.startsWith('stargate.dev/'))",
            "spec.template.annotations: keys under stargate.dev/ belong to the operator",
            ".annotations",
            "FieldValueForbidden",
        ),
    )


class CheckpointPolicy(Model):
    """Where checkpoints go and how many are kept."""

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
    """What happens when a rank fails: the whole gang starts again from the last checkpoint."""

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
    """Where the gang is put: whole into one ComputeBlock that has room for it."""

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
        description="Longest time, in seconds, that the gang may hold only some of its nodes. The time"
        " starts again whenever another rank gets a node. When it is over, the gang gives back all"
        " its nodes (cause StartTimeout, not a failure), waits in phase Queued and tries again."
        " A gang that holds no node waits without a limit.",
    )
    placement: Placement | None = Field(
        default=None, description="Where the gang is put; any nodes where absent."
    )


class Hang(Model):
    """When a gang whose pods run, and that says nothing, is taken to hang."""

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
        description="Which ranks get a DNS name. Rank0: rank 0 alone, which every rendezvous needs."
        " All: every rank, which costs the control plane about five writes for each pod.",
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
_IMMUTABLE_OPTIONAL = ("runtime", "template")


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
    accelerator_type: AcceleratorType = Field(
        description="The hardware: the acceleratorType of an AcceleratorClass."
    )
    resource_allocation: ResourceAllocation = Field(description="What the gang gets.")
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
        default=CheckpointPolicy(), description="Where checkpoints go and how many are kept."
    )
    restart_policy: RestartPolicy = Field(
        default=RestartPolicy(), description="What happens when a rank fails."
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
        default_factory=StargateJobStatus, description="What the operator knows of the job."
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
        """Where the gang must run; None where it may run on any nodes."""
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
