"""What the report server asks of the rest of the operator; the reconciler's side implements it."""

from dataclasses import dataclass
from typing import Protocol

from stargate_operator.model.pod import Pod

CheckpointKey = tuple[int, str, str]
"""Epoch, URI and state: what makes a report of a checkpoint the same report."""


@dataclass(frozen=True)
class JobView:
    """What is so of a job by its written status: nothing that is only planned, or only reported.

    `stop`: the job is suspended, finished or being deleted, or the attempt is being ended.
    `checkpoint_folder`: where the current attempt writes, as its workers were told it; empty if that
    cannot be known now.
    `restored_from`: the URI that the attempt started from.
    `checkpoints`: those in the status.
    `report_timeout`: seconds of silence that are taken for a hang, if any are.
    """

    namespace: str
    name: str
    attempt: int
    epochs: int
    world_size: int
    stop: bool
    checkpoint_folder: str
    restored_from: str = ""
    checkpoints: tuple[CheckpointKey, ...] = ()
    report_timeout: int | None = None


class JobLookup(Protocol):
    """The report server's port to the rest of the operator: it asks about jobs and wakes them."""

    def is_leader(self) -> bool:
        """Whether this process may speak for the jobs now, and knows them: a job that is not listed
        yet must not be told to its workers as gone."""

    def serves(self, namespace: str) -> bool:
        """Whether this operator runs the jobs of that namespace."""

    def pod(self, pod_uid: str) -> Pod | None:
        """The pod as the informer knows it."""

    def is_gone(self, pod_uid: str) -> bool:
        """Whether the pod was known, and its object was deleted not long ago."""

    def view(self, job_uid: str) -> JobView | None:
        """None: no such job, or no longer."""

    def wake(self, job_uid: str) -> None:
        """Has the job reconciled at once; called for what is waited for to stand in its status."""

    def progressed(self, job_uid: str) -> None:
        """Has the job reconciled in its turn; rank 0 has reported."""
