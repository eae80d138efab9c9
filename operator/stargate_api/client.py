"""The blocking client: every call returns when the cluster has answered.

`_client.calls` and `_client.watch` hold what each call does. `AsyncClient` has the same methods and
takes their docstrings from here.
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
    """The client for scripts and notebooks: each call blocks until the cluster has answered."""

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

        Each call creates a job with a new name, made from the model's name. With a `request_id`,
        the same id and config are the same job, however often you submit them. Raises InvalidConfig
        before anything is sent, Refused with the server's message, and Conflict where the request
        id was used with another config.
        """
        return self._run(self._calls.submit(config, namespace, request_id))

    def submit_manifest(self, manifest: Config, *, namespace: str | None = None) -> str:
        """Creates the job of a StargateJob manifest, under the manifest's name if it has one.

        Returns its id, and raises the errors of `submit_training_job`.
        """
        return self._run(self._calls.submit_manifest(manifest, namespace))

    def get_job_status(self, job_id: str) -> JobStatus:
        """The job's current status: `["state"]`, `.get("progress")` in percent, and more.

        Raises NotFound.
        """
        return self._run(self._calls.status(job_id))

    def list_jobs(
        self, namespace: str | None = None, *, all_namespaces: bool = False
    ) -> list[JobStatus]:
        """All jobs of a namespace, by default the client's own, or of all namespaces."""
        return self._run(self._calls.list_jobs(namespace, all_namespaces))

    def query_available_compute(
        self,
        min_nodes: int = 0,
        max_latency_ms: float | None = None,
        accelerator_type: str | None = None,
    ) -> list[AvailableCompute]:
        """Compute blocks with enough free nodes of one accelerator type, the most free nodes first.

        `max_latency_ms` bounds the latency between any two nodes of a block, in milliseconds; a
        block that states no latency matches no bound.
        """
        return self._run(self._calls.compute(min_nodes, max_latency_ms, accelerator_type))

    def check(self, config: Config, *, namespace: str | None = None) -> Feasibility:
        """Answers if a config or StargateJob manifest would start now, later or never, where, and why.

        The operator decides by the same rule. The answer is true where the job would start now.
        Submits nothing; a job that fits now may not fit a minute later. Raises InvalidConfig.
        """
        return self._run(self._calls.check(config, namespace))

    def suspend(self, job_id: str) -> JobStatus:
        """Frees the job's nodes and keeps its checkpoints. `resume` continues from the last one."""
        return self._run(self._calls.suspend(job_id, True))

    def resume(self, job_id: str) -> JobStatus:
        """Starts a suspended job again, from its last checkpoint."""
        return self._run(self._calls.suspend(job_id, False))

    def cancel(self, job_id: str) -> None:
        """Deletes the job and its workers. Its checkpoints stay. Raises NotFound."""
        self._run(self._calls.cancel(job_id))

    def watch(self, job_id: str, *, timeout: float | None = None) -> Iterator[JobStatus]:
        """The job's status now and after each change, until the job has finished.

        Raises NotFound where the job is deleted meanwhile, and Timeout after `timeout` seconds.
        """
        return self._stream(watch.watch(self._calls, job_id, timeout))

    def wait(
        self, job_id: str, *, state: str | None = None, timeout: float | None = None
    ) -> JobStatus:
        """Waits until the job has succeeded or failed, or is in `state`. Raises as `watch` does."""
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
        """The lines of one rank's log, of the current attempt by default.

        `tail` limits it to the last lines; `follow` goes on as lines are written. After a failed
        attempt, only the logs of the ranks that failed remain. Raises NotFound without a log.
        """
        return self._stream(
            watch.logs(self._calls, job_id, rank, attempt=attempt, follow=follow, tail=tail)
        )

    def server_version(self) -> str:
        """The version of Kubernetes, such as v1.35.0."""
        return self._run(self._calls.version())

    def close(self) -> None:
        """Closes the connections that are kept open."""
        self._transport.close()

    def _run(self, call: Call[T]) -> T:
        return run_call(call, self._transport)

    def _stream(self, call: Call[None]) -> Iterator[Any]:
        return stream(call, self._transport)
