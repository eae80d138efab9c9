"""Creates and deletes the pods of a job, and does nothing else.

A pod's name is deterministic, so a create can be repeated after a crash: "already exists" is a success
if the controller of the existing pod is our job.
"""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol

import msgspec
import structlog

from stargate_operator.constants import GIVEN_UP_GRACE_SECONDS, Reasons
from stargate_operator.decide.effects import PodDeletion
from stargate_operator.desired.environment import pod_name
from stargate_operator.desired.pods import PodStamp
from stargate_operator.kube.client import Client
from stargate_operator.kube.errors import ApiError, NotLeading
from stargate_operator.kube.meta import ObjectMeta, Partial
from stargate_operator.kube.transport import Jitter
from stargate_operator.reconcile.batch import Batch
from stargate_operator.reconcile.memory import Memory
from stargate_operator.telemetry import metrics
from stargate_types import StargateJob

log = structlog.get_logger(__name__)

IN_FLIGHT = 32
_PAUSES_AFTER_CONFLICT = (0.05, 0.1, 0.2, 0.4, 0.8)


class Seeds(Protocol):
    """The pod store, which takes the answers to our own writes before the watch brings them."""

    def seed(self, meta: ObjectMeta) -> None: ...

    def mark_deleting(self, uid: str) -> None: ...


class PodControl:
    """Creates and deletes the pods of one job in the background, a bounded number at a time. The
    reconciler calls it with the effects of each pass."""

    def __init__(
        self,
        client: Client,
        seeds: Seeds,
        *,
        memory: Memory,
        clock: Callable[[], datetime],
        jitter: Jitter,
        wake: Callable[[], None],
    ) -> None:
        self._client = client
        self._seeds = seeds
        self._memory = memory
        self._clock = clock
        self._jitter = jitter
        self._job: StargateJob | None = None
        self._stamp: PodStamp | None = None
        self._stamped_attempt = 0
        self._creator: Batch[int] = Batch(self._create, width=IN_FLIGHT, done=wake)
        self._deleter: Batch[_Target] = Batch(self._delete, width=IN_FLIGHT, done=wake)

    def creating(self, attempt: int) -> frozenset[int]:
        """The ranks of `attempt` whose pods wait to be created or are being created."""
        return self._creator.items if attempt == self._stamped_attempt else frozenset()

    @property
    def waiting(self) -> int:
        """Number of pods that wait to be created or deleted, or are being so."""
        return len(self._creator) + len(self._deleter)

    async def turn_to(self, attempt: int) -> None:
        """Stops the creates of any other attempt. Called before any delete."""
        if attempt != self._stamped_attempt:
            await self.stop_creating()

    async def stop_creating(self) -> None:
        await self._creator.stop()

    def create(
        self, job: StargateJob, ranks: Iterable[int], *, stamp: Callable[[], PodStamp]
    ) -> None:
        attempt = job.status.attempt
        if self._stamp is None or attempt != self._stamped_attempt:
            self._stamp, self._stamped_attempt = stamp(), attempt
        self._job = job
        self._creator.add(ranks)

    def delete(self, deletion: Iterable[PodDeletion]) -> None:
        self._deleter.add(
            _Target(one.pod.namespace, one.pod.name, one.pod.uid, one.grace) for one in deletion
        )

    async def _create(self, rank: int) -> None:
        assert self._job is not None
        assert self._stamp is not None
        try:
            meta = await self._post(_pods(self._job), self._stamp.of_rank(rank))
        except NotLeading as error:
            # A pause, as after a refusal: the end of the batch starts a pass, and it would try at once.
            self._creator.clear()
            self._memory.creates.note(Reasons.UNREACHABLE, str(error), self._clock())
        except ApiError as error:
            await self._not_created(rank, error)
        else:
            self._created(meta)

    async def _post(self, path: str, body: bytes) -> ObjectMeta:
        """A quota is counted with optimistic locking. A conflict says only that others create pods at
        the same time, so it is no refusal, and is soon tried again."""
        for pause in _PAUSES_AFTER_CONFLICT:
            try:
                return await self._client.create(path, body)
            except ApiError as error:
                if not error.conflict:
                    raise
            await asyncio.sleep(self._jitter(0.5, 1.5) * pause)
        return await self._client.create(path, body)

    def _created(self, meta: ObjectMeta) -> None:
        metrics.pods_created()
        self._seeds.seed(meta)

    async def _not_created(self, rank: int, error: ApiError) -> None:
        if error.already_exists:
            return await self._exists(rank)
        self._creator.clear()
        log.warning("pod refused", rank=rank, error=str(error))
        reason = Reasons.UNREACHABLE if error.is_transient else Reasons.PODS_REFUSED
        self._memory.creates.note(reason, error.message, self._clock())
        return None

    async def _exists(self, rank: int) -> None:
        """The name is taken: by us before a crash, by a pod of a deleted job, or by somebody else."""
        assert self._job is not None
        name = pod_name(self._job.metadata.name, self._stamped_attempt, rank)
        try:
            found = (await self._client.get(f"{_pods(self._job)}/{name}", Partial)).metadata
        except ApiError:
            return  # It is gone or cannot be reached now: the next pass tries again.
        if found.controller_uid == self._job.uid and found.deletion_timestamp is None:
            self._seeds.seed(found)
        else:
            self._creator.clear()
            self._memory.creates.note(*_name_taken(found), self._clock())

    async def _delete(self, target: "_Target") -> None:
        try:
            await self._client.delete(target.path, uid=target.uid, grace=target.grace)
        except NotLeading as error:
            self._deleter.clear()
            self._memory.deletes.note(Reasons.UNREACHABLE, str(error), self._clock())
        except ApiError as error:
            # The others of this round would meet the same refusal.
            self._deleter.clear()
            log.warning("pod not deleted", pod=target.name, error=str(error))
            message = f"the API server does not delete pod {target.name}: {error.message}"
            self._memory.deletes.note(Reasons.DELETES_REFUSED, message, self._clock())
        else:
            metrics.pods_deleted()
            if target.grace == GIVEN_UP_GRACE_SECONDS:
                metrics.pod_given_up()
                log.warning("pod given up with its node", pod=target.name)
            self._seeds.mark_deleting(target.uid)


class _Target(msgspec.Struct, frozen=True):
    namespace: str
    name: str
    uid: str
    grace: int | None

    @property
    def path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"


def _pods(job: StargateJob) -> str:
    return f"/api/v1/namespaces/{job.metadata.namespace}/pods"


def _name_taken(found: ObjectMeta) -> tuple[str, str]:
    leaving = found.deletion_timestamp is not None or bool(found.labels)
    owner = next((ref for ref in found.owner_references or () if ref.controller), None)
    if owner is not None and owner.kind == "StargateJob" and leaving:
        return (
            Reasons.WAITING_FOR_OLD_GANG,
            f"waiting until the pod {found.name} of an earlier job of this name is gone",
        )
    holder = f"{owner.kind} {owner.name}" if owner else "no controller"
    return (
        Reasons.NAME_TAKEN,
        f"there is a pod {found.name} already, owned by {holder}; delete it or rename the job",
    )
