"""Leader election: only the replica that holds the Lease writes, and it stops when in doubt.

Other election loops die of a connection error, or go on leading for minutes while they are cut off. Here
time is monotonic and counts from before a renewal was sent. Any exception is a failed renewal. The end
of `run` is meant to end the process. Only a renewal that the server answered may extend the lease. A
follower judges a lease by how long it has seen the lease unchanged, never by the holder's clock.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog

from stargate_operator.kube.client import Client
from stargate_operator.kube.errors import ApiError, NotLeading
from stargate_operator.kube.transport import Jitter

__all__ = ["LeaderElection", "LeaseLost", "NotLeading"]

log = structlog.get_logger(__name__)

Lease = dict[str, Any]
"""The whole object, so that a renewal writes back the labels and annotations of others."""


class LeaseLost(Exception):  # noqa: N818 - what happened, not what went wrong
    """This process no longer leads: another process does, or may soon."""


@dataclass(frozen=True)
class _Seen:
    """The lease's spec, and since when it has not changed."""

    spec: dict[str, Any]
    since: float

    @property
    def holder(self) -> str:
        return str(self.spec.get("holderIdentity") or "")

    def expires_at(self, default: float) -> float:
        return self.since + float(self.spec.get("leaseDurationSeconds") or default)


class LeaderElection:
    """Takes and renews a Lease, so that one replica leads at a time.

    `guard` raises in a process that must not write any more. Times are in seconds.
    """

    def __init__(
        self,
        client: Client,
        *,
        namespace: str,
        name: str,
        identity: str,
        duration: float = 15.0,
        renew_deadline: float = 10.0,
        retry: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        jitter: Jitter = random.uniform,
    ) -> None:
        """`clock` is monotonic and decides; `wall_clock` is for people to read."""
        if not retry < renew_deadline < duration:
            raise ValueError("retry < renew_deadline < duration must hold")
        self.identity = identity
        self._client = client
        self._leases = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._name = name
        self._duration = duration
        self._renew_deadline = renew_deadline
        self._retry = retry
        self._request_timeout = renew_deadline * 0.45
        self._clock = clock
        self._wall_clock = wall_clock
        self._jitter = jitter
        self._lease: Lease | None = None
        self._seen: _Seen | None = None
        self._renewed_at: float | None = None

    @property
    def is_leader(self) -> bool:
        return self._left() > 0

    @property
    def margin(self) -> float:
        """Seconds of the lease that must be left when a write begins, so that no write outlives it."""
        return self._duration - self._renew_deadline

    def guard(self) -> None:
        left = self._left()
        if left < self.margin:
            raise NotLeading(f"{left:.1f} s of the lease are left, a write needs {self.margin:g} s")

    async def run(self, on_started_leading: Callable[[], Awaitable[None]]) -> None:
        """Acquires the lease, runs `on_started_leading` beside the renewals, and ends by raising.

        It raises LeaseLost, or the error of the callback. In both cases the callback has ended first.
        Call `release` once every writer has stopped.
        """
        await self._acquire()
        log.info("started leading", lease=self._name, identity=self.identity)
        started = asyncio.ensure_future(on_started_leading())
        renewing = asyncio.create_task(self._keep(), name="lease renewal")
        try:
            await _first_failure(started, renewing)
        finally:
            await _stopped(started)  # the lease is renewed while the writers finish
            await _stopped(renewing)

    async def release(self) -> None:
        """Lets the next replica lead at once. Only for a clean end, after the last write."""
        lease, self._lease, self._renewed_at = self._lease, None, None
        try:
            await self._release(lease)
        except Exception as error:  # it expires by itself
            log.info("lease not released", error=str(error))

    async def _release(self, lease: Lease | None) -> None:
        try:
            await self._give_up(lease)
        except ApiError as error:
            if not error.conflict:
                raise
            # The end may have cut off our last renewal when the server had accepted it already.
            await self._give_up(await self._get())

    async def _give_up(self, lease: Lease | None) -> None:
        if lease is not None and lease["spec"].get("holderIdentity") == self.identity:
            await self._put({**lease, "spec": self._spec_of(lease, holder="", duration=1)})

    def _left(self) -> float:
        if self._renewed_at is None:
            return 0.0
        return self._renewed_at + self._duration - self._clock()

    async def _acquire(self) -> None:
        while True:
            try:
                if await self._try_acquire():
                    return
            except Exception as error:  # whatever it is, we do not lead, and try again
                log.warning("lease not acquired", error=str(error) or type(error).__name__)
            await asyncio.sleep(self._until_next_try())

    async def _try_acquire(self) -> bool:
        lease = await self._get()
        if lease is None:
            return await self._take(self._new_lease(), create=True)
        self._observe(lease)
        if not self._is_free():
            return False
        return await self._take(lease, create=False)

    def _observe(self, lease: Lease) -> None:
        spec = lease.get("spec") or {}
        if self._seen is None or self._seen.spec != spec:
            self._seen = _Seen(spec, self._clock())

    def _is_free(self) -> bool:
        """A lease that we hold already is free: an answer to us was lost. No
        other replica has our identity."""
        seen = self._seen
        assert seen is not None
        if seen.holder in ("", self.identity):
            return True
        return self._clock() >= seen.expires_at(self._duration)

    def _until_next_try(self) -> float:
        """Seconds to the next try: as soon as the lease is free, but not at once for all followers."""
        wait = self._retry
        if self._seen is not None and self._seen.holder:
            left = self._seen.expires_at(self._duration) - self._clock()
            wait = min(wait, max(left, 0.1 * self._retry))
        return wait * self._jitter(0.9, 1.1)

    async def _take(self, lease: Lease, *, create: bool) -> bool:
        spec = self._spec_of(lease, holder=self.identity, acquire=True)
        sent_at = self._clock()
        try:
            ours = {**lease, "spec": spec}
            self._lease = await (self._create(ours) if create else self._put(ours))
        except ApiError as error:
            if error.conflict or error.already_exists:
                return False  # another replica was faster
            raise
        self._renewed_at = sent_at
        return True

    async def _keep(self) -> None:
        pause = self._retry
        while True:
            await asyncio.sleep(pause)
            pause = self._retry
            try:
                await self._renew()
            except LeaseLost:
                self._renewed_at = None
                raise
            except Exception as error:  # any error is one failed renewal; the deadline decides
                log.warning("lease not renewed", error=str(error) or type(error).__name__)
                pause = self._retry / 4
            self._check_deadline()

    def _check_deadline(self) -> None:
        assert self._renewed_at is not None
        late = self._clock() - self._renewed_at
        if late > self._renew_deadline:
            self._renewed_at = None
            raise LeaseLost(f"the lease could not be renewed for {late:.1f} s")

    async def _renew(self) -> None:
        assert self._lease is not None
        lease = self._lease
        sent_at = self._clock()
        try:
            renewed = await self._put({**lease, "spec": self._spec_of(lease, holder=self.identity)})
        except ApiError as error:
            if not (error.conflict or error.not_found):
                raise
            renewed = await self._renew_over(sent_at)
        self._lease, self._renewed_at = renewed, sent_at

    async def _renew_over(self, sent_at: float) -> Lease:
        """Another client wrote the lease, or an answer to us was lost. Reads who holds it now."""
        lease = await self._get()
        if lease is None:
            raise LeaseLost("the lease was deleted")
        holder = lease.get("spec", {}).get("holderIdentity")
        if holder != self.identity:
            raise LeaseLost(f"the lease is held by {holder!r}")
        if self._clock() - sent_at > self._renew_deadline:
            raise LeaseLost("the renewal took too long")
        return await self._put({**lease, "spec": self._spec_of(lease, holder=self.identity)})

    async def _get(self) -> Lease | None:
        try:
            async with asyncio.timeout(self._request_timeout):
                raw = await self._client.get_raw(f"{self._leases}/{self._name}", priority=True)
        except ApiError as error:
            if error.not_found:
                return None
            raise
        return _decode(raw)

    async def _create(self, lease: Lease) -> Lease:
        async with asyncio.timeout(self._request_timeout):
            return _decode(
                await self._client.create_for(
                    self._leases, msgspec.json.encode(lease), bytes, priority=True
                )
            )

    async def _put(self, lease: Lease) -> Lease:
        path = f"{self._leases}/{self._name}"
        async with asyncio.timeout(self._request_timeout):
            return _decode(
                await self._client.put(path, msgspec.json.encode(lease), bytes, priority=True)
            )

    def _new_lease(self) -> Lease:
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name},
            "spec": {},
        }

    def _spec_of(
        self,
        lease: Lease,
        *,
        holder: str,
        acquire: bool = False,
        duration: float | None = None,
    ) -> dict[str, Any]:
        spec = dict(lease.get("spec") or {})
        now = self._wall_clock().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        if acquire:
            spec["leaseTransitions"] = int(spec.get("leaseTransitions") or 0) + 1
            spec["acquireTime"] = now
        spec["holderIdentity"] = holder
        spec["renewTime"] = now
        spec["leaseDurationSeconds"] = max(1, math.ceil(duration or self._duration))
        return spec


def _decode(raw: bytes) -> Lease:
    lease: Lease = msgspec.json.decode(raw)
    return lease


async def _first_failure(*tasks: asyncio.Future[None]) -> None:
    """Raises the first error. A task that ends without an error does not stop the renewals."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    for task in done:
        task.result()


async def _stopped(task: asyncio.Future[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
