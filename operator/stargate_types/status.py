"""The status of a StargateJob: counts, never per-pod lists, so that 5,000 ranks fit in 8 kB."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from stargate_types.accounting import Energy, Goodput, RoundedSeconds
from stargate_types.base import MicroTime, Model, Time
from stargate_types.position import Position

Name = Annotated[str, Field(max_length=253)]
Count = Annotated[int, Field(ge=0)]
AttemptNumber = Annotated[int, Field(ge=0)]

MAX_ATTEMPTS = 10
MAX_CHECKPOINTS = 10
MAX_METRICS = 16
MAX_AVOIDED_NODES = 8


class OpenEnum(StrEnum):
    """Words that a newer version may add to. An unknown one is kept as it is, so that an older operator
    reads the status and writes it back."""

    @classmethod
    def _missing_(cls, value: object) -> "OpenEnum | None":
        if not isinstance(value, str):
            return None
        unknown = str.__new__(cls, value)
        unknown._name_ = unknown._value_ = value
        return unknown


class Phase(OpenEnum):
    """Phase of a job, in one word; conditions say why."""

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
        """True if the job has succeeded or failed."""
        return self in (Phase.SUCCEEDED, Phase.FAILED)


class Cause(OpenEnum):
    """Why an attempt ended."""

    SUCCEEDED = "Succeeded"
    OOM_KILLED = "OOMKilled"
    LIMIT_EXCEEDED = "LimitExceeded"
    SIGNAL = "Signal"
    EXIT = "Exit"
    NODE_LOST = "NodeLost"
    EVICTED = "Evicted"
    PREEMPTED = "Preempted"
    DELETED = "Deleted"
    REJECTED = "Rejected"
    NOT_SUPPORTED = "NotSupported"
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
    """One condition, in the form of Kubernetes' metav1.Condition."""

    type: Annotated[str, Field(max_length=316)] = Field(
        description="Name of the condition, such as Ready."
    )
    status: Literal["True", "False", "Unknown"] = Field(
        description="True if the condition holds, False if not, else Unknown."
    )
    reason: Annotated[str, Field(max_length=1024)] = Field(
        description="Why it has this status, as one CamelCase word for programs."
    )
    message: Annotated[str, Field(max_length=32768)] = Field(
        default="", description="Why it has this status, as a sentence for people."
    )
    observed_generation: Count = Field(
        default=0, description="The metadata.generation that the condition was computed from."
    )
    last_transition_time: Time = Field(description="When the condition's status last changed.")


class Workers(Model):
    """How many ranks of the current attempt are how far."""

    desired: Count = Field(default=0, description="Number of ranks of the current attempt.")
    created: Count = Field(default=0, description="Ranks whose pod exists.")
    scheduled: Count = Field(default=0, description="Ranks whose pod has a node.")
    running: Count = Field(default=0, description="Ranks whose pod has phase Running.")
    ready: Count = Field(default=0, description="Ranks whose pod is ready.")
    succeeded: Count = Field(default=0, description="Ranks whose worker exited with 0.")
    failed: Count = Field(default=0, description="Ranks whose pod failed.")


class Metric(Model):
    """One of the trainer's own numbers."""

    name: Annotated[str, Field(min_length=1, max_length=63)] = Field(
        description="Name of the metric, such as loss."
    )
    value: float = Field(description="The last value that was reported.")


class Progress(Model):
    """How far the training is, as rank 0 reports it."""

    epoch: Count = Field(description="Number of epochs completed.")
    epochs: Count = Field(description="Number of epochs to train.")
    step: Count | None = Field(
        default=None,
        description="Number of optimizer steps since the training began, if the trainer reports them.",
    )
    total_steps: Count | None = Field(
        default=None,
        description="Number of optimizer steps to train: spec.steps, else what the trainer reports.",
    )
    percent: Annotated[float, Field(ge=0, le=100)] = Field(
        description="Completed part of the training, in percent: of its steps where step and totalSteps"
        " are known, else of its epochs."
    )
    steps_per_second: Annotated[float, Field(ge=0)] | None = Field(
        default=None, description="Optimizer steps in a second, measured in the current attempt."
    )
    estimated_remaining_seconds: Count | None = Field(
        default=None,
        description="Seconds to the end of the training, estimated from the current attempt's pace.",
    )
    metrics: Annotated[list[Metric], Field(max_length=MAX_METRICS)] = Field(
        default_factory=list,
        description="The trainer's own numbers, such as its loss.",
        json_schema_extra={"key": "name"},
    )
    last_report_time: MicroTime | None = Field(
        default=None, description="When rank 0 last reported its progress."
    )

    @property
    def position(self) -> Position:
        """How far the training is."""
        return Position(self.epoch, self.step)


class Checkpoint(Model):
    """One checkpoint, as rank 0 reported it."""

    epoch: Count = Field(description="Number of epochs completed when it was taken.")
    step: Count | None = Field(
        default=None,
        description="Number of optimizer steps since the training began when it was taken, if the"
        " trainer reports them. The newest of two checkpoints is the one with the higher epoch, then"
        " with the higher step; a checkpoint without a step comes before those with one.",
    )
    uri: Annotated[str, Field(max_length=2048)] = Field(description="URI of the checkpoint.")
    time: MicroTime = Field(description="When it was reported.")
    size_bytes: Count | None = Field(default=None, description="Size of all shards, in bytes.")
    state: Literal["Writing", "Complete", "Damaged"] = Field(
        description="Writing: not all shards are saved yet. Complete: all are; only such a checkpoint is"
        " resumed from. Damaged: a worker could not read it; it is never resumed from."
    )
    attempt: AttemptNumber = Field(default=0, description="The attempt that wrote it.")

    @property
    def position(self) -> Position:
        """How far the training was when it was taken."""
        return Position(self.epoch, self.step)


class RestoredFrom(Model):
    """The checkpoint that an attempt started from."""

    epoch: Count | None = Field(
        default=None,
        description="Number of epochs completed in the checkpoint. Absent for a warm start, whose epoch"
        " is not known.",
    )
    step: Count | None = Field(
        default=None, description="Number of optimizer steps in the checkpoint, if it is known."
    )
    uri: Annotated[str, Field(max_length=2048)] = Field(description="URI of the checkpoint.")

    @property
    def position(self) -> Position | None:
        """Where the attempt goes on; None for a warm start, which begins at the beginning."""
        return None if self.epoch is None else Position(self.epoch, self.step)


class Checkpoints(Model):
    """The checkpoints of a job."""

    folder: Annotated[str, Field(max_length=2048)] | None = Field(
        default=None, description="Folder that the current attempt writes its checkpoints to."
    )
    latest: Checkpoint | None = Field(
        default=None, description="The newest checkpoint, in any state."
    )
    history: Annotated[list[Checkpoint], Field(max_length=MAX_CHECKPOINTS)] = Field(
        default_factory=list, description="The complete and the damaged checkpoints, newest first."
    )
    restored_from: RestoredFrom | None = Field(
        default=None,
        description="The checkpoint that the current attempt started from. Absent where it started from"
        " the beginning.",
    )


class AttemptStatus(Model):
    """One run of the whole gang. `end` and `cause` are provisional until its pods are gone."""

    number: AttemptNumber = Field(description="Number of the attempt; the first is 1.")
    start: MicroTime = Field(description="When the attempt began.")
    running: MicroTime | None = Field(
        default=None, description="When every rank was running for the first time in this attempt."
    )
    end: MicroTime | None = Field(
        default=None,
        description="When the attempt ended: when its first rank failed, where one did.",
    )
    cause: Cause | None = Field(default=None, description="Why the attempt ended.")
    rank: Count | None = Field(
        default=None, description="The rank that failed first, where it is known."
    )
    node: Name | None = Field(default=None, description="Name of the node on which that rank ran.")
    exit_code: int | None = Field(default=None, description="Exit code of that rank's worker.")
    message: Annotated[str, Field(max_length=1024)] | None = Field(
        default=None,
        description="Explanation of the end, with the last log lines of that rank.",
    )
    restored_epoch: Count | None = Field(
        default=None,
        description="Number of epochs completed in the checkpoint that the attempt started from.",
    )
    restored_step: Count | None = Field(
        default=None,
        description="Number of optimizer steps in the checkpoint that the attempt started from, if it is"
        " known.",
    )
    lost_seconds: RoundedSeconds | None = Field(
        default=None,
        description="Seconds of training after the attempt's last checkpoint, which must be repeated.",
    )
    world_size: Count = Field(description="Number of ranks of the attempt.")
    succeeded_ranks: Annotated[str, Field(max_length=1024)] | None = Field(
        default=None,
        description="Ranks that have succeeded while the attempt runs, such as 0-3,7. A rank that has"
        " succeeded is not made again, whatever becomes of its pod.",
    )
    runtime: Name | None = Field(
        default=None,
        description="The StargateRuntime that its pods were made from, as name/uid/generation.",
    )
    accelerator_class: Name | None = Field(
        default=None,
        alias="class",
        description="The AcceleratorClass that its pods were made from, as name/uid/generation.",
    )
    block: Name | None = Field(
        default=None, description="The ComputeBlock that it was placed in, as name/uid/generation."
    )
    domain: Annotated[str, Field(max_length=512)] | None = Field(
        default=None,
        description="The node label that all its nodes share (spec.scheduling.placement.topologyKey), as"
        " key=value.",
    )

    @property
    def restored_position(self) -> Position | None:
        """Where the attempt went on; None where it began at the beginning."""
        return (
            None
            if self.restored_epoch is None
            else Position(self.restored_epoch, self.restored_step)
        )


class AvoidedNode(Model):
    """A node where attempts are not placed for a while."""

    name: Name = Field(description="Name of the node.")
    until: Time = Field(description="Attempts that begin before this time avoid the node.")


class StargateJobStatus(Model):
    """State of the job, as the operator knows it; only the operator writes it."""

    observed_generation: Count | None = Field(
        default=None, description="The metadata.generation of the spec that this status is about."
    )
    phase: Phase | None = Field(default=None, description="Phase of the job, as one word.")
    conditions: Annotated[list[Condition], Field(max_length=16)] = Field(
        default_factory=list,
        description="Conditions of the job, since when, and why: Accepted, Scheduled, Ready, Suspended,"
        " Succeeded, Failed.",
        json_schema_extra={"key": "type"},
    )
    workers: Workers | None = Field(
        default=None, description="How many ranks of the current attempt exist, run or have ended."
    )
    attempt: AttemptNumber = Field(default=0, description="Number of the current attempt.")
    restarts: Count = Field(default=0, description="Number of attempts that a failure ended.")
    # See docs/decisions/0004-status-fields-that-survive-a-crash.md.
    failures_since_checkpoint: Count = Field(
        default=0,
        description="Failures since the last complete checkpoint that count towards"
        " spec.restartPolicy.maxRestarts.",
    )
    progress: Progress | None = Field(default=None, description="How far the training is.")
    checkpoints: Checkpoints | None = Field(default=None, description="The checkpoints on record.")
    attempts: Annotated[list[AttemptStatus], Field(max_length=MAX_ATTEMPTS)] = Field(
        default_factory=list,
        description="The last attempts, oldest first; the last entry is the current one.",
        json_schema_extra={"key": "number"},
    )
    avoided_nodes: Annotated[list[AvoidedNode], Field(max_length=MAX_AVOIDED_NODES)] = Field(
        default_factory=list,
        description="Nodes that were lost, and that the next attempts avoid for a while.",
        json_schema_extra={"key": "name"},
    )
    goodput: Goodput | None = Field(
        default=None, description="Use of the time since the job was accepted."
    )
    energy: Energy | None = Field(default=None, description="Estimated energy of the job.")
    start_time: Time | None = Field(
        default=None,
        description="When the job started or was last resumed; activeDeadlineSeconds counts from it.",
    )
    completion_time: Time | None = Field(default=None, description="When it succeeded or failed.")
    accounted_time: MicroTime | None = Field(
        default=None, description="The time up to which goodput and energy are counted."
    )
