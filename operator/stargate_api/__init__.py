"""Submits training jobs to a Stargate cluster and follows them.

    client = stargate_api.Client(api_key="…")
    job_id = client.submit_training_job(config)
    client.get_job_status(job_id)["state"]
    client.query_available_compute(min_nodes=100, max_latency_ms=5)
    client.check(config).answer

`AsyncClient` has the same calls for an event loop. The package needs `kubernetes` and `pydantic`, and
nothing of the operator: it takes the resources from `stargate_types`, and the rule of what can run
from `stargate_feasibility`.
"""

from stargate_api.async_client import AsyncClient
from stargate_api.client import Client
from stargate_api.compute import AvailableCompute
from stargate_api.errors import (
    Conflict,
    InvalidConfig,
    NotAuthorised,
    NotFound,
    Problem,
    Refused,
    StargateError,
    Timeout,
    Unreachable,
)
from stargate_api.job_status import JobStatus
from stargate_feasibility import Answer, BlockAnswer, Feasibility, Reason

__all__ = [
    "Answer",
    "AsyncClient",
    "AvailableCompute",
    "BlockAnswer",
    "Client",
    "Conflict",
    "Feasibility",
    "InvalidConfig",
    "JobStatus",
    "NotAuthorised",
    "NotFound",
    "Problem",
    "Reason",
    "Refused",
    "StargateError",
    "Timeout",
    "Unreachable",
]
