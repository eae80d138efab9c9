"""The client for programs with an event loop: the calls of `Client`, each one awaited.

Both clients run the same calls. A request blocks one of this client's threads, never the event loop,
and a pause blocks nothing. So a base install needs no second HTTP library, and both clients raise the
same errors.
"""

from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from types import TracebackType
from typing import Any, TypeVar

from stargate_api._client import watch
from stargate_api._client.base import BaseClient
from stargate_api._client.calls import Config
from stargate_api._client.steps import Call, T, run_call_async, stream_async
from stargate_api.client import Client
from stargate_api.compute import AvailableCompute
from stargate_api.job_status import JobStatus
from stargate_feasibility import Feasibility

_MAX_REQUESTS = 32
_THREAD_NAME = "stargate_api"
_Method = TypeVar("_Method", bound=Callable[..., Any])


def _documented_as(source: Callable[..., Any]) -> Callable[[_Method], _Method]:
    """Takes the docstring from the method of `Client`, so that it is written once."""

    def copy(method: _Method) -> _Method:
        method.__doc__ = source.__doc__
        return method

    return copy


class AsyncClient(BaseClient):
    """`Client` for an event loop: the same arguments, methods and errors.

    At most 32 requests run at once. Each `watch`, `wait` and `logs` has one more thread of its own.
    """

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(_MAX_REQUESTS, thread_name_prefix=_THREAD_NAME)

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    @_documented_as(Client.submit_training_job)
    async def submit_training_job(
        self, config: Config, *, namespace: str | None = None, request_id: str | None = None
    ) -> str:
        return await self._run(self._calls.submit(config, namespace, request_id))

    @_documented_as(Client.submit_manifest)
    async def submit_manifest(self, manifest: Config, *, namespace: str | None = None) -> str:
        return await self._run(self._calls.submit_manifest(manifest, namespace))

    @_documented_as(Client.get_job_status)
    async def get_job_status(self, job_id: str) -> JobStatus:
        return await self._run(self._calls.status(job_id))

    @_documented_as(Client.list_jobs)
    async def list_jobs(
        self, namespace: str | None = None, *, all_namespaces: bool = False
    ) -> list[JobStatus]:
        return await self._run(self._calls.list_jobs(namespace, all_namespaces))

    @_documented_as(Client.query_available_compute)
    async def query_available_compute(
        self,
        min_nodes: int = 0,
        max_latency_ms: float | None = None,
        accelerator_type: str | None = None,
    ) -> list[AvailableCompute]:
        return await self._run(self._calls.compute(min_nodes, max_latency_ms, accelerator_type))

    @_documented_as(Client.check)
    async def check(self, config: Config, *, namespace: str | None = None) -> Feasibility:
        return await self._run(self._calls.check(config, namespace))

    @_documented_as(Client.suspend)
    async def suspend(self, job_id: str) -> JobStatus:
        return await self._run(self._calls.suspend(job_id, True))

    @_documented_as(Client.resume)
    async def resume(self, job_id: str) -> JobStatus:
        return await self._run(self._calls.suspend(job_id, False))

    @_documented_as(Client.cancel)
    async def cancel(self, job_id: str) -> None:
        await self._run(self._calls.cancel(job_id))

    @_documented_as(Client.watch)
    def watch(self, job_id: str, *, timeout: float | None = None) -> AsyncIterator[JobStatus]:
        return self._stream(watch.watch(self._calls, job_id, timeout))

    @_documented_as(Client.wait)
    async def wait(
        self, job_id: str, *, state: str | None = None, timeout: float | None = None
    ) -> JobStatus:
        return await self._run_alone(watch.wait(self._calls, job_id, state, timeout))

    @_documented_as(Client.logs)
    def logs(
        self,
        job_id: str,
        rank: int = 0,
        *,
        attempt: int | None = None,
        follow: bool = False,
        tail: int | None = None,
    ) -> AsyncIterator[str]:
        return self._stream(
            watch.logs(self._calls, job_id, rank, attempt=attempt, follow=follow, tail=tail)
        )

    @_documented_as(Client.server_version)
    async def server_version(self) -> str:
        return await self._run(self._calls.version())

    @_documented_as(Client.close)
    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._transport.close()

    async def _run(self, call: Call[T]) -> T:
        return await run_call_async(call, self._transport, self._threads)

    async def _run_alone(self, call: Call[T]) -> T:
        thread = _one_thread()
        try:
            return await run_call_async(call, self._transport, thread)
        finally:
            thread.shutdown(wait=False)

    async def _stream(self, call: Call[None]) -> AsyncIterator[Any]:
        thread = _one_thread()
        values = stream_async(call, self._transport, thread)
        try:
            async for value in values:
                yield value
        finally:
            await values.aclose()
            thread.shutdown(wait=False)


def _one_thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix=_THREAD_NAME)
