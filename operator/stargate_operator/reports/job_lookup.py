"""The questions that the report server asks the rest of the operator, as a port
that `runtime` implements."""

from dataclasses import dataclass
from typing import Protocol

from stargate_operator.model.pod import Pod
from stargate_operator.model.reports import CheckpointKey
from stargate_types.status import Checkpoint


@dataclass(frozen=True)
class JobView:
    """A job as its written status shows it, without anything that is only planned or only reported.

    `stop`: the job is suspended, finished or being deleted, or the attempt is being ended.
    `checkpoint_folder`: the folder that the current attempt's workers got to write into; empty if it is
    not known now.
    `restored_from`: the URI that the attempt started from.
    `checkpoints`: those in the status, in any state but Writing.
    `steps`: optimizer steps of the job, or None if its spec does not state them.
    `report_timeout`: seconds of silence that count as a hang, or None if hangs are not looked for.
    """

    namespace: str
    name: str
    attempt: int
    epochs: int
    world_size: int
    stop: bool
    checkpoint_folder: str
    restored_from: str = ""
    checkpoints: tuple[Checkpoint, ...] = ()
    report_timeout: int | None = None
    steps: int | None = None

    def has(self, key: CheckpointKey) -> bool:
        """True if the status says this of a checkpoint."""
        return any(
            CheckpointKey.of(known.position, known.uri, known.state) == key
            for known in self.checkpoints
        )


class JobLookup(Protocol):
    """The report server's port to the rest of the operator: it asks about jobs and wakes them."""

    def is_leader(self) -> bool:
        """True if this process leads and has listed all jobs. Before that, a worker could be told that
        its job is gone because it is not listed yet."""

    def serves(self, namespace: str) -> bool:
        """True if this operator runs the jobs of that namespace."""

    def pod(self, pod_uid: str) -> Pod | None:
        """The pod as the informer knows it."""

    def is_gone(self, pod_uid: str) -> bool:
        """True if the pod was known and was deleted a short time ago."""

    def view(self, job_uid: str) -> JobView | None:
        """The job, or None if there is no such job (any more)."""

    def wake(self, job_uid: str) -> None:
        """Reconciles the job at once, because somebody waits until its status is written."""

    def progressed(self, job_uid: str) -> None:
        """Reconciles the job soon, because rank 0 has reported."""
