"""Builders of resources and answers, and a transport that answers from a list."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from stargate_api._client.calls import Calls
from stargate_api._client.retry import RetryPolicy
from stargate_api._client.steps import Answer, Failure, Json, Request, Stream

KEY = "s3cr3t-and-long-enough-to-be-found"

ARTICLE: Json = {
    "model_name": "Stargate-Materia-v3",
    "dataset_path": "stargate_storage://massive_multi_modal_dataset_2026",
    "epochs": 100,
    "accelerator_type": "stargate_silicon_v2",
    "resource_allocation": {
        "nodes": 5000,
        "gpu_equivalents_per_node": 8,
        "memory_gb_per_node": 256,
    },
    "optimization_strategy": "distributed_adam_optimized",
    "checkpoint_interval_epochs": 5,
}
SPEC: Json = {
    "modelName": "Stargate-Materia-v3",
    "datasetPath": "stargate_storage://massive_multi_modal_dataset_2026",
    "epochs": 100,
    "acceleratorType": "stargate_silicon_v2",
    "resourceAllocation": {"nodes": 5000, "gpuEquivalentsPerNode": 8, "memoryGbPerNode": 256},
    "optimizationStrategy": "distributed_adam_optimized",
    "checkpointIntervalEpochs": 5,
}


def config(**changes: Any) -> Json:
    return {**ARTICLE, **changes}


def job(name: str = "job", *, phase: str | None = None, version: int = 1, **status: Any) -> Json:
    found: Json = {"attempt": 1, **status}
    if phase:
        found["phase"] = phase
    return {
        "apiVersion": "stargate.dev/v1alpha1",
        "kind": "StargateJob",
        "metadata": {
            "name": name,
            "namespace": "team",
            "uid": f"uid-of-{name}",
            "resourceVersion": str(version),
        },
        "spec": SPEC,
        "status": found,
    }


def progress(epoch: int, **more: Any) -> Json:
    return {"epoch": epoch, "epochs": 100, "percent": float(epoch), **more}


def block(name: str, *, latency: float | None = None, **free: int) -> Json:
    """`block("a", silicon=3)` has ten nodes of that type, three of them free."""
    spec = {} if latency is None else {"maxLatencyMs": latency}
    return {
        "apiVersion": "stargate.dev/v1alpha1",
        "kind": "ComputeBlock",
        "metadata": {"name": name},
        "spec": spec,
        "status": {
            "observedTime": "2026-03-01T12:00:00Z",
            "accelerators": [_capacity(kind, count) for kind, count in free.items()],
        },
    }


def _capacity(kind: str, free: int) -> Json:
    return {
        "acceleratorType": kind,
        "nodes": 10,
        "freeNodes": free,
        "gpuEquivalents": 80,
        "freeGpuEquivalents": 8 * free,
        "allocatableMemoryGb": 256 * free,
        "histogram": [{"devices": 4, "nodes": 10 - free}, {"devices": 8, "nodes": free}],
    }


def yes(body: Json, status: int = 200) -> Answer:
    return Answer(status, json.dumps(body).encode())


def no(status: int, message: str, *, after: float | None = None, **more: Any) -> Answer:
    body = {"kind": "Status", "code": status, "message": message, **more}
    return Answer(status, json.dumps(body).encode(), after)


def listed(*items: Json, following: str = "") -> Answer:
    return yes({"kind": "StargateJobList", "metadata": {"continue": following}, "items": [*items]})


LOST = Failure("the connection broke")


@dataclass
class Lines:
    """A streamed answer that ends with `end`."""

    lines: list[bytes]
    end: Failure | None = None
    closed: bool = False

    def next_line(self) -> bytes | Failure | None:
        return self.lines.pop(0) if self.lines else self.end

    def close(self) -> None:
        self.closed = True


def events(*found: tuple[str, Json], end: Failure | None = None) -> Lines:
    return Lines([json.dumps({"type": kind, "object": o}).encode() for kind, o in found], end)


@dataclass
class Script:
    """A transport that answers from a list; the last answer serves all further requests."""

    outcomes: list[Any]
    requests: list[Request] = field(default_factory=list)

    def send(self, request: Request) -> Answer | Failure | Stream:
        self.requests.append(request)
        found = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        outcome: Answer | Failure | Stream = found(request) if callable(found) else found
        return outcome

    @property
    def asked(self) -> list[str]:
        return [f"{request.method} {request.path}" for request in self.requests]


@dataclass
class Time:
    """A clock that only pauses move."""

    now: float = 0.0
    pauses: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(round(seconds, 3))
        self.now += seconds


def answers(*outcomes: Any) -> Script:
    return Script(list(outcomes))


def calls(time: Time, *, timeout: float = 30.0, retries: int = 5) -> Calls:
    return Calls("team", RetryPolicy(timeout, retries, clock=time, jitter=lambda: 0.0))


def words(found: Iterable[Any]) -> list[str]:
    return [str(each) for each in found]
