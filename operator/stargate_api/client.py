"""The client as a researcher types it; every call blocks until it is answered.

What a call does stands in `calls` and `following`; this module is its face. `AsyncClient` has the
same methods, and takes their descriptions from here.
"""

from collections.abc import Iterator
from types import TracebackType
from typing import Any

from stargate_api._client import watch
from stargate_api._client.base import BaseClient
from stargate_api._client.calls import Config
from stargate_api._client.steps import Call, T, run_call, stream
from stargate_api.compute import AvailableCompute
from stargate_api.job_status import JobStatus
from stargate_feasibility import Feasibility


class Client(BaseClient):
    __doc__ = BaseClient.__doc__

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def submit_training_job(
        self, config: Config, *, namespace: str | None = None, request_id: str | None = None
    ) -> str:
        """Creates a job and returns its id, `namespace/name`.

        The name comes from the model's name and is new with each call, unless a `request_id` is
        given: the same id and config is the same job, however often it is submitted. Raises
        InvalidConfig before anything is sent, Refused with the server's words, and Conflict where
        the request id was used with another config.
        """
        return self._run(self._calls.submit(config, namespace, request_id))

    def submit_manifest(self, manifest: Config, *, namespace: str | None = None) -> str:
        """Creates the job of a StargateJob manifest, under its own name if it has one."""
        return self._run(self._calls.submit_manifest(manifest, namespace))

    def get_job_status(self, job_id: str) -> JobStatus:
        """The job as it is: `["state"]`, `.get("progress")` in percent, and typed attributes."""
        return self._run(self._calls.status(job_id))

    def list_jobs(
        self, namespace: str | None = None, *, all_namespaces: bool = False
    ) -> list[JobStatus]:
        """All jobs of a namespace, the client's own by default."""
        return self._run(self._calls.list_jobs(namespace, all_namespaces))

    def query_available_compute(
        self,
        min_nodes: int = 0,
        max_latency_ms: float | None = None,
        accelerator_type: str | None = None,
    ) -> list[AvailableCompute]:
        """Compute blocks with at least so many free nodes of one accelerator type, and at most so
        much latency between any two of them; the one with most free nodes first. A block that
        states no latency fits no bound on it."""
        return self._run(self._calls.compute(min_nodes, max_latency_ms, accelerator_type))

    def check(self, config: Config, *, namespace: str | None = None) -> Feasibility:
        """Whether this config, or StargateJob manifest, would start now, later or never, in which
        block, and why: by the rule by which the operator decides. True where it would start now.
        Submits nothing; who fits now may not fit in a minute."""
        return self._run(self._calls.check(config, namespace))

    def suspend(self, job_id: str) -> JobStatus:
        """Frees the job's nodes and keeps its checkpoints; `resume` goes on from the last."""
        return self._run(self._calls.suspend(job_id, True))

    def resume(self, job_id: str) -> JobStatus:
        """Lets a suspended job go on."""
        return self._run(self._calls.suspend(job_id, False))

    def cancel(self, job_id: str) -> None:
        """Deletes the job and its workers. Its checkpoints stay where they are."""
        self._run(self._calls.cancel(job_id))

    def watch(self, job_id: str, *, timeout: float | None = None) -> Iterator[JobStatus]:
        """The job as it is now and after each change, until it has finished. Raises NotFound when
        it is deleted meanwhile, and Timeout when it takes longer than `timeout` seconds."""
        return self._stream(watch.watch(self._calls, job_id, timeout))

    def wait(
        self, job_id: str, *, state: str | None = None, timeout: float | None = None
    ) -> JobStatus:
        """Waits until the job has finished, well or not, or is in `state`. Raises as `watch`."""
        return self._run(watch.wait(self._calls, job_id, state, timeout))

    def logs(
        self,
        job_id: str,
        rank: int = 0,
        *,
        attempt: int | None = None,
        follow: bool = False,
        tail: int | None = None,
    ) -> Iterator[str]:
        """The lines of one rank's log, of the current attempt by default. Of an attempt that failed
        the ranks that failed can still be read."""
        return self._stream(
            watch.logs(self._calls, job_id, rank, attempt=attempt, follow=follow, tail=tail)
        )

    def server_version(self) -> str:
        """Of Kubernetes."""
        return self._run(self._calls.version())

    def close(self) -> None:
        """Closes the connections that are kept open."""
        self._transport.close()

    def _run(self, call: Call[T]) -> T:
        return run_call(call, self._transport)

    def _stream(self, call: Call[None]) -> Iterator[Any]:
        return stream(call, self._transport)
