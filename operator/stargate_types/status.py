"""The status of a StargateJob: counts, never per-pod lists, so that 5,000 ranks fit in 8 kB."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from stargate_types.base import MicroTime, Model, Time

Name = Annotated[str, Field(max_length=253)]
Count = Annotated[int, Field(ge=0)]
RoundedSeconds = Annotated[float, Field(ge=0)]
AttemptNumber = Annotated[int, Field(ge=0)]

MAX_ATTEMPTS = 10
MAX_CHECKPOINTS = 10
MAX_METRICS = 16
MAX_AVOIDED_NODES = 8


class Phase(StrEnum):
    """Where a job is in its life, in one word; conditions say why."""

    PENDING = "Pending"
    QUEUED = "Queued"
    STARTING = "Starting"
    RUNNING = "Running"
    RESTARTING = "Restarting"
    SUSPENDED = "Suspended"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"

    @property
    def finished(self) -> bool:
        """Whether the job has succeeded or failed."""
        return self in (Phase.SUCCEEDED, Phase.FAILED)


class Cause(StrEnum):
    """Why an attempt ended."""

    SUCCEEDED = "Succeeded"
    OOM_KILLED = "OOMKilled"
    SIGNAL = "Signal"
    EXIT = "Exit"
    NODE_LOST = "NodeLost"
    EVICTED = "Evicted"
    PREEMPTED = "Preempted"
    DELETED = "Deleted"
    REJECTED = "Rejected"
    CANNOT_START = "CannotStart"
    HANG = "Hang"
    CHECKPOINT_DAMAGED = "CheckpointDamaged"
    RUNTIME_CHANGED = "RuntimeChanged"
    NODE_RETURNED = "NodeReturned"
    START_TIMEOUT = "StartTimeout"
    YIELDED = "Yielded"
    SUSPENDED = "Suspended"
    DEADLINE_EXCEEDED = "DeadlineExceeded"


class Condition(Model):
    """metav1.Condition."""

    type: Annotated[str, Field(max_length=316)] = Field(description="What the condition is about.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds.")
    reason: Annotated[str, Field(max_length=1024)] = Field(
        description="Why, in one CamelCase word."
    )
    message: Annotated[str, Field(max_length=32768)] = Field(
        default="", description="Why, for a person."
    )
    observed_generation: Count = Field(
        default=0, description="The metadata.generation that this was said of."
    )
    last_transition_time: Time = Field(description="When the status last changed.")


class Workers(Model):
    """How many ranks of the current attempt are how far."""

    desired: Count = Field(default=0, description="World size of the attempt.")
    created: Count = Field(default=0, description="Ranks whose pod exists.")
    scheduled: Count = Field(default=0, description="Ranks whose pod has a node.")
    running: Count = Field(default=0, description="Ranks whose pod runs.")
    ready: Count = Field(default=0, description="Ranks whose pod is ready.")
    succeeded: Count = Field(default=0, description="Ranks that exited with 0.")
    failed: Count = Field(default=0, description="Ranks that failed.")


class Metric(Model):
    """One of the trainer's own numbers."""

    name: Annotated[str, Field(min_length=1, max_length=63)] = Field(
        description="Name of the metric, such as loss."
    )
    value: float = Field(description="Its last value.")


class Progress(Model):
    """How far the training is, as rank 0 reports it."""

    epoch: Count = Field(description="Epochs completed.")
    epochs: Count = Field(description="Epochs to train.")
    step: Count | None = Field(default=None, description="Steps completed, if reported.")
    percent: Annotated[float, Field(ge=0, le=100)] = Field(
        description="Epochs completed, in percent."
    )
    estimated_remaining_seconds: Count | None = Field(
        default=None, description="Seconds to the end at this attempt's pace."
    )
    metrics: Annotated[list[Metric], Field(max_length=MAX_METRICS)] = Field(
        default_factory=list,
        description="The trainer's own numbers.",
        json_schema_extra={"key": "name"},
    )
    last_report_time: MicroTime | None = Field(
        default=None, description="When rank 0 last reported."
    )


class Checkpoint(Model):
    """One checkpoint, as rank 0 reported it."""

    epoch: Count = Field(description="Epochs completed when it was taken.")
    uri: Annotated[str, Field(max_length=2048)] = Field(description="Where it is.")
    time: MicroTime = Field(description="When it was reported.")
    size_bytes: Count | None = Field(default=None, description="Size of all shards.")
    state: Literal["Writing", "Complete", "Damaged"] = Field(
        description="Only a Complete one is ever resumed from."
    )
    attempt: AttemptNumber = Field(default=0, description="The attempt that wrote it.")


class RestoredFrom(Model):
    """The checkpoint that an attempt started from."""

    epoch: Count | None = Field(
        default=None, description="Epoch of the checkpoint; unknown for a warm start."
    )
    uri: Annotated[str, Field(max_length=2048)] = Field(description="Where it is.")


class Checkpoints(Model):
    """The checkpoints of a job."""

    folder: Annotated[str, Field(max_length=2048)] | None = Field(
        default=None, description="Where the current attempt writes, as its workers were told it."
    )
    latest: Checkpoint | None = Field(default=None, description="The newest, in any state.")
    history: Annotated[list[Checkpoint], Field(max_length=MAX_CHECKPOINTS)] = Field(
        default_factory=list, description="Complete and damaged ones, newest first."
    )
    restored_from: RestoredFrom | None = Field(
        default=None, description="What the current attempt started from."
    )


class AttemptStatus(Model):
    """One run of the whole gang. `end` and `cause` are provisional until its pods are gone."""

    number: AttemptNumber = Field(description="1 for the first.")
    start: MicroTime = Field(description="When it was decided.")
    running: MicroTime | None = Field(default=None, description="When every rank ran.")
    end: MicroTime | None = Field(
        default=None, description="When its first rank failed, or its end."
    )
    cause: Cause | None = Field(default=None, description="Why it ended.")
    rank: Count | None = Field(default=None, description="The rank that failed first.")
    node: Name | None = Field(default=None, description="Where that rank ran.")
    exit_code: int | None = Field(default=None, description="That rank's exit code.")
    message: Annotated[str, Field(max_length=1024)] | None = Field(
        default=None, description="What is known of the end, with the last lines of the log."
    )
    restored_epoch: Count | None = Field(
        default=None, description="Epoch of the checkpoint that it started from."
    )
    lost_seconds: RoundedSeconds | None = Field(
        default=None, description="Running time since its last checkpoint, which is trained again."
    )
    world_size: Count = Field(description="Number of ranks.")
    runtime: Name | None = Field(default=None, description="Runtime as name/uid/generation.")
    accelerator_class: Name | None = Field(
        default=None, alias="class", description="Accelerator class as name/uid/generation."
    )
    block: Name | None = Field(
        default=None, description="Compute block that it was put into, as name/uid/generation."
    )
    domain: Annotated[str, Field(max_length=512)] | None = Field(
        default=None, description="Label that all its nodes share, as key=value."
    )


class AvoidedNode(Model):
    """A node where attempts are not placed for a while."""

    name: Name = Field(description="Name of the node.")
    until: Time = Field(description="Attempts that begin before it are not placed there.")


class Goodput(Model):
    """Where the time went since the job was accepted; time suspended or queued counts nowhere."""

    productive_seconds: RoundedSeconds = Field(default=0, description="Training that counts.")
    starting_seconds: RoundedSeconds = Field(
        default=0, description="From an attempt's start to all running."
    )
    lost_seconds: RoundedSeconds = Field(default=0, description="Training that was done again.")
    restarting_seconds: RoundedSeconds = Field(
        default=0, description="From a failure to the next start."
    )
    ratio: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0, description="Productive seconds by all of the above."
    )


class Energy(Model):
    """Estimated from the class's watts per device and the block's PUE."""

    kwh: Annotated[float, Field(ge=0)] = Field(description="Energy so far, in kilowatt hours.")
    pue: Annotated[float, Field(ge=1)] = Field(description="Power usage effectiveness assumed.")
    estimated: bool = Field(default=True, description="True: no meter was read.")


class StargateJobStatus(Model):
    """What the operator knows of the job; written by it alone."""

    observed_generation: Count | None = Field(
        default=None, description="The metadata.generation that this status is about."
    )
    phase: Phase | None = Field(default=None, description="Where the job is in its life.")
    conditions: Annotated[list[Condition], Field(max_length=16)] = Field(
        default_factory=list,
        description="Accepted, Scheduled, Ready, Suspended, Succeeded, Failed.",
        json_schema_extra={"key": "type"},
    )
    workers: Workers | None = Field(default=None, description="How many ranks are how far.")
    attempt: AttemptNumber = Field(default=0, description="Number of the current attempt.")
    restarts: Count = Field(default=0, description="Attempts that were ended by a failure.")
    failures_since_checkpoint: Count = Field(
        default=0, description="Counted failures since the last complete checkpoint."
    )
    progress: Progress | None = Field(default=None, description="How far the training is.")
    checkpoints: Checkpoints | None = Field(default=None, description="What can be resumed from.")
    attempts: Annotated[list[AttemptStatus], Field(max_length=MAX_ATTEMPTS)] = Field(
        default_factory=list,
        description="The last attempts, oldest first.",
        json_schema_extra={"key": "number"},
    )
    avoided_nodes: Annotated[list[AvoidedNode], Field(max_length=MAX_AVOIDED_NODES)] = Field(
        default_factory=list,
        description="Nodes that were lost, and that attempts avoid for a while.",
        json_schema_extra={"key": "name"},
    )
    goodput: Goodput | None = Field(default=None, description="Where the time went.")
    energy: Energy | None = Field(default=None, description="What it drew, estimated.")
    start_time: Time | None = Field(
        default=None,
        description="When the job started or last resumed; the deadline counts from it.",
    )
    completion_time: Time | None = Field(default=None, description="When it succeeded or failed.")
    accounted_time: MicroTime | None = Field(
        default=None, description="The moment up to which goodput and energy are counted."
    )
