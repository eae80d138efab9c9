"""Reads the environment that the operator sets for a worker. Pure: no file, no clock.

A missing variable is an error that names it: a worker with half an identity would write half a
checkpoint. Under torchrun a node runs several processes; `Processes` tells them apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from stargate_worker.errors import NotInAJob

_DEFAULT_GRACE = "30"
"""The default of Kubernetes in seconds, for pods that an older operator created."""


@dataclass(frozen=True)
class ResumePoint:
    """The checkpoint to start from.

    `epoch` is the number of completed epochs in it, 0 for a warm start, and `step` the number of
    optimizer steps, where it is known. `path` is where this worker finds it; `uri` is its name in the
    job's status.
    """

    epoch: int
    uri: str
    path: str
    step: int | None = None


@dataclass(frozen=True)
class Processes:
    """This process among those of the gang. `restarts` counts torchrun's restarts in this attempt."""

    rank: int
    world_size: int
    local_rank: int = 0
    restarts: int = 0


@dataclass(frozen=True)
class Environment:
    """The worker's variables, parsed. docs/worker.md describes each of them."""

    job: str
    namespace: str
    job_uid: str
    attempt: int
    node_rank: int
    nodes: int
    master_address: str
    master_port: int
    model_name: str
    dataset_uri: str
    dataset_path: str
    epochs: int
    accelerator_type: str
    gpu_equivalents: int
    memory_gb: int
    optimization_strategy: str
    checkpoint_interval_epochs: int
    checkpoint_uri: str
    checkpoint_path: str
    checkpoint_retain: int
    grace_seconds: float
    report_url: str
    report_ca: str
    token_file: str
    processes: Processes
    resume: ResumePoint | None = None

    @property
    def reports(self) -> bool:
        """True if this process reports for its pod; one process of each node does."""
        return self.processes.local_rank == 0

    @property
    def leads(self) -> bool:
        """True for the one process of the gang that completes and deletes checkpoints."""
        return self.reports and self.node_rank == 0


def read(environ: Mapping[str, str]) -> Environment:
    """Parses the variables. Raises NotInAJob where one is missing or wrong."""
    variables = _Variables(environ)
    if not variables.text("STARGATE_REPORT_URL").startswith("https://"):
        raise NotInAJob("STARGATE_REPORT_URL must start with https://: a token travels over it")
    return Environment(
        job=variables.text("STARGATE_JOB"),
        namespace=variables.text("STARGATE_NAMESPACE"),
        job_uid=variables.text("STARGATE_JOB_UID"),
        attempt=variables.whole("STARGATE_ATTEMPT"),
        node_rank=variables.whole("STARGATE_RANK"),
        nodes=variables.whole("STARGATE_WORLD_SIZE"),
        master_address=variables.text("STARGATE_MASTER_ADDR"),
        master_port=variables.whole("STARGATE_MASTER_PORT"),
        model_name=variables.text("STARGATE_MODEL_NAME"),
        dataset_uri=variables.text("STARGATE_DATASET_URI"),
        dataset_path=variables.text("STARGATE_DATASET_PATH"),
        epochs=variables.whole("STARGATE_EPOCHS"),
        accelerator_type=variables.text("STARGATE_ACCELERATOR_TYPE"),
        gpu_equivalents=variables.whole("STARGATE_GPU_EQUIVALENTS"),
        memory_gb=variables.whole("STARGATE_MEMORY_GB"),
        optimization_strategy=variables.text("STARGATE_OPTIMIZATION_STRATEGY"),
        checkpoint_interval_epochs=variables.whole("STARGATE_CHECKPOINT_INTERVAL_EPOCHS"),
        checkpoint_uri=variables.text("STARGATE_CHECKPOINT_URI"),
        checkpoint_path=variables.text("STARGATE_CHECKPOINT_PATH"),
        checkpoint_retain=variables.whole("STARGATE_CHECKPOINT_RETAIN"),
        grace_seconds=variables.whole("STARGATE_GRACE_PERIOD_SECONDS", _DEFAULT_GRACE),
        report_url=variables.text("STARGATE_REPORT_URL"),
        report_ca=variables.text("STARGATE_REPORT_CA"),
        token_file=variables.text("STARGATE_REPORT_TOKEN_FILE"),
        processes=_processes(variables),
        resume=_resume(variables),
    )


def _resume(variables: "_Variables") -> ResumePoint | None:
    uri = variables.text("STARGATE_RESUME_URI", "")
    if not uri:
        return None
    return ResumePoint(
        epoch=variables.whole("STARGATE_RESUME_EPOCH"),
        uri=uri,
        path=variables.text("STARGATE_RESUME_PATH"),
        step=variables.whole_or_none("STARGATE_RESUME_STEP"),
    )


def _processes(variables: "_Variables") -> Processes:
    """torchrun's numbers where it started us (it sets LOCAL_RANK), else one process a node."""
    if not variables.text("LOCAL_RANK", ""):
        return Processes(variables.whole("STARGATE_RANK"), variables.whole("STARGATE_WORLD_SIZE"))
    return Processes(
        rank=variables.whole("RANK"),
        world_size=variables.whole("WORLD_SIZE"),
        local_rank=variables.whole("LOCAL_RANK"),
        restarts=variables.whole("TORCHELASTIC_RESTART_COUNT", "0"),
    )


@dataclass(frozen=True)
class _Variables:
    environ: Mapping[str, str]

    def text(self, name: str, default: str | None = None) -> str:
        value = self.environ.get(name, "") or default
        if value is None:
            raise NotInAJob(f"{name} is not set: {_who_sets(name)}")
        return value

    def whole(self, name: str, default: str | None = None) -> int:
        value = self.text(name, default)
        if not (value.isascii() and value.isdigit()):
            raise NotInAJob(f"{name} must be a whole number, not {value[:64]!r}")
        return int(value)

    def whole_or_none(self, name: str) -> int | None:
        return self.whole(name) if self.text(name, "") else None


def _who_sets(name: str) -> str:
    if name.startswith("STARGATE_"):
        return (
            "the operator sets it in every pod of a StargateJob; to run a trainer without the"
            " operator, set it yourself"
        )
    return "torchrun sets it beside LOCAL_RANK, which is set"
