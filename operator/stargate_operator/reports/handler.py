"""Handles one report: authenticates the sender, checks the report, records it, answers. It knows no
HTTP.

The order of the checks is the design. Cheap checks that reveal nothing come first. A sender that is no
worker of the job learns nothing about it. The body is read only if the rank may report. A complete
checkpoint is acknowledged when it is in the job's status, never before.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

import msgspec

from stargate_operator.model.pod import Pod
from stargate_operator.model.report_interval import next_report_seconds
from stargate_operator.model.reports import CheckpointReport, ProgressReport
from stargate_operator.reports.authentication import TokenAuthenticator
from stargate_operator.reports.errors import (
    ReportRefused,
    conflict,
    forbidden,
    invalid,
    not_found,
    unauthorized,
    unavailable,
)
from stargate_operator.reports.job_lookup import JobLookup, JobView
from stargate_operator.reports.listening import ListeningSince
from stargate_operator.reports.pending import PendingReports
from stargate_operator.reports.protocol import (
    Acknowledged,
    Answer,
    Checkpoint,
    Report,
    decode,
    validate,
)

WRITE_TIMEOUT_SECONDS = 10.0
"""How long a complete checkpoint may take to be written into the job's status."""
_NOT_SERVED_RETRY_SECONDS = 30
_BEARER = "bearer "
_VISIBLE = re.compile("[!-~]+")


@dataclass(frozen=True)
class Incoming:
    """A report whose body is not read yet. `authorization` is the header's value, or empty."""

    namespace: str
    name: str
    authorization: str
    body: Callable[[], Awaitable[bytes]]


class ReportHandler:
    """Answers the reports of workers. The report server calls `take` for each request.

    `clock` gives the time in UTC.
    """

    def __init__(
        self,
        lookup: JobLookup,
        pending: PendingReports,
        authenticator: TokenAuthenticator,
        *,
        clock: Callable[[], datetime],
        listening: ListeningSince | None = None,
        write_timeout: float = WRITE_TIMEOUT_SECONDS,
    ) -> None:
        self._lookup = lookup
        self._pending = pending
        self._authenticator = authenticator
        self._clock = clock
        self._listening = listening
        self._write_timeout = write_timeout

    async def close(self) -> None:
        await self._authenticator.close()

    async def take(self, incoming: Incoming) -> Answer:
        """The answer to one report. Raises ReportRefused.

        The order is the design. Each check may say more to the caller than the one before it, and costs
        more.
        """
        # A standby knows the jobs only by its watches, so it must not judge any report.
        self._need_leadership()
        # Until the caller is known, it learns nothing, not even which namespaces are served.
        pod_uid = await self._identify(_token(incoming.authorization))
        self._need_to_serve(incoming.namespace)
        pod = self._pod(pod_uid)
        # Before anything of the job: a worker of another job must not learn whether this one exists.
        _own_job(pod, incoming)
        view = self._current_view(pod)
        # Before the body: memory is spent only on ranks that the gang has.
        _ranked(pod, view)
        report = decode(await incoming.body())
        # A body may arrive slowly. Meanwhile the lease may be lost and the attempt may have ended.
        self._need_leadership()
        view = self._current_view(pod)
        validate(report, pod.rank, view)
        acknowledged = await self._record(report, pod, view)
        # Last, from the status as it is now: a checkpoint that was waited for may expire others.
        return self._answer(pod, acknowledged)

    def _need_leadership(self) -> None:
        if not self._lookup.is_leader():
            raise unavailable("this operator does not lead; another one takes the reports")

    def _need_to_serve(self, namespace: str) -> None:
        """Refuses as unavailable: the gang is fine and may outlive a change of
        the watched namespaces."""
        if not self._lookup.serves(namespace):
            raise unavailable(
                f"this operator runs no jobs of namespace {namespace!r} (watch-namespaces)",
                retry_after=_NOT_SERVED_RETRY_SECONDS,
            )

    async def _identify(self, token: str) -> str:
        """The pod's UID. While no sender can be identified, no rank counts as silent."""
        try:
            return await self._authenticator.pod_uid(token)
        except ReportRefused as refusal:
            if refusal.unavailable and self._listening is not None:
                self._listening.begin()
            raise

    def _pod(self, pod_uid: str) -> Pod:
        pod = self._lookup.pod(pod_uid)
        if pod is None and self._lookup.is_gone(pod_uid):
            raise conflict("StaleAttempt", "this pod has been deleted; its attempt is over")
        if pod is None:
            raise unavailable("the operator does not know this pod (yet)")
        return pod

    def _current_view(self, pod: Pod) -> JobView:
        view = self._lookup.view(pod.job_uid)
        if view is None or not _owned(pod, view):
            raise not_found(f"there is no StargateJob {pod.job_name} with UID {pod.job_uid}")
        if pod.attempt > view.attempt:
            raise unavailable(f"the operator does not see attempt {pod.attempt} yet")
        if pod.attempt < view.attempt:
            raise conflict(
                "StaleAttempt",
                f"this pod belongs to attempt {pod.attempt}; attempt {view.attempt} is current",
            )
        return view

    async def _record(self, report: Report, pod: Pod, view: JobView) -> Acknowledged | None:
        at = self._clock()
        self._pending.progress(pod.job_uid, _progress(report, pod, at))
        if pod.rank == 0:
            self._lookup.progressed(pod.job_uid)
        if report.checkpoint is None:
            return None
        return await self._keep(report.checkpoint, pod, view)

    async def _keep(self, checkpoint: Checkpoint, pod: Pod, view: JobView) -> Acknowledged | None:
        if view.has(checkpoint.key):
            return _acknowledge(checkpoint)
        if checkpoint.state == "Damaged":
            self._need_known(checkpoint, pod, view)
        report = _as_reported(checkpoint, pod, self._clock())
        self._pending.checkpoint(pod.job_uid, report)
        self._lookup.wake(pod.job_uid)
        if checkpoint.state == "Writing":
            return None
        if not await self._pending.wait_until_written(pod.job_uid, report, self._write_timeout):
            self._explain_not_written(checkpoint, pod)
        return _acknowledge(checkpoint)

    def _need_known(self, checkpoint: Checkpoint, pod: Pod, view: JobView) -> None:
        known = [each.position for each in view.checkpoints if each.uri == checkpoint.uri]
        pending = self._pending.position(pod.job_uid, checkpoint.uri)
        if checkpoint.uri == view.restored_from or any(
            position.matches(checkpoint.position)
            for position in (*known, *([pending] if pending else []))
        ):
            return
        raise invalid(
            "checkpoint.uri",
            f"no checkpoint of {checkpoint.position} stands there; only one that does can be"
            " reported as Damaged",
        )

    def _explain_not_written(self, checkpoint: Checkpoint, pod: Pod) -> None:
        """Raises the reason: the attempt may have ended meanwhile; else the worker must report again."""
        self._current_view(pod)
        raise unavailable(
            f"the checkpoint of {checkpoint.position} could not be written to the job's status"
            " in time; report it again"
        )

    def _answer(self, pod: Pod, acknowledged: Acknowledged | None) -> Answer:
        """The answer from the status as it is now: the checkpoint just written
        may have made others expire."""
        view = self._current_view(pod)
        interval = next_report_seconds(
            pod.job_uid,
            rank=pod.rank,
            world_size=view.world_size,
            now=self._clock().timestamp(),
            report_timeout=view.report_timeout,
        )
        answer = Answer(
            attempt=view.attempt,
            next_report_seconds=interval,
            stop=view.stop,
            delete=self._pending.expired(pod.job_uid) if pod.rank == 0 else (),
        )
        return answer if acknowledged is None else _with(answer, acknowledged)


def _token(authorization: str) -> str:
    token = authorization[len(_BEARER) :].strip(" \t")
    # A token has visible ASCII characters. Other bytes could not even be sent to the API server.
    if authorization[: len(_BEARER)].lower() != _BEARER or not _VISIBLE.fullmatch(token):
        raise unauthorized(
            "send the pod's projected ServiceAccount token: Authorization: Bearer <token>"
        )
    return token


def _own_job(pod: Pod, incoming: Incoming) -> None:
    """Refuses a pod of another job. The message names only the job of the
    request, never the pod's job."""
    if (pod.namespace, pod.job_name) != (incoming.namespace, incoming.name):
        raise forbidden(
            f"the token's pod is no worker of StargateJob {incoming.namespace}/{incoming.name}"
        )


def _owned(pod: Pod, view: JobView) -> bool:
    """True if the job owns the pod. Anybody can write labels and owner
    references, so the names must agree too."""
    home = (view.namespace, view.name)
    return pod.owner_uid == pod.job_uid and (pod.namespace, pod.job_name) == home


def _ranked(pod: Pod, view: JobView) -> None:
    """Refuses a rank that the gang does not have: anybody can write labels, and
    each rank takes memory."""
    if not 0 <= pod.rank < view.world_size:
        raise forbidden(f"the gang has ranks 0 to {view.world_size - 1}, none is {pod.rank}")


def _progress(report: Report, pod: Pod, at: datetime) -> ProgressReport:
    """Rank 0 reports for the whole gang. From other ranks only the step counts, as a sign of life."""
    leads = pod.rank == 0
    return ProgressReport(
        attempt=pod.attempt,
        rank=pod.rank,
        epoch=report.epoch if leads else None,
        step=report.step,
        metrics=tuple((metric.name, metric.value) for metric in report.metrics) if leads else (),
        at=at,
        total_steps=report.total_steps if leads else None,
    )


def _as_reported(checkpoint: Checkpoint, pod: Pod, at: datetime) -> CheckpointReport:
    return CheckpointReport(
        attempt=pod.attempt,
        position=checkpoint.position,
        uri=checkpoint.uri,
        size_bytes=checkpoint.size_bytes,
        state=checkpoint.state,
        at=at,
    )


def _acknowledge(checkpoint: Checkpoint) -> Acknowledged:
    return Acknowledged(
        epoch=checkpoint.epoch, uri=checkpoint.uri, state=checkpoint.state, step=checkpoint.step
    )


def _with(answer: Answer, acknowledged: Acknowledged) -> Answer:
    return msgspec.structs.replace(answer, acknowledged=acknowledged)
