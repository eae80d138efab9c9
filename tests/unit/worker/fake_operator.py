"""Builders and fakes for the worker's tests: an environment, an operator that answers, ranks."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stargate_worker import environment
from stargate_worker.environment import Environment
from stargate_worker.protocol import Reply
from stargate_worker.report_client import ReportClient
from stargate_worker.reporter import Reporter
from stargate_worker.saving import Saver
from stargate_worker.shutdown import Shutdown

URI = "stargate_storage://checkpoints/team-a/train-8d2b5c1e"
JOB_UID = "8d2b5c1e-0000-4000-8000-00000000cafe"


def environ(**changes: str) -> dict[str, str]:
    """The variables of rank 0 of two in attempt 1. A changed value of "" unsets the variable."""
    told = {
        "STARGATE_JOB": "train",
        "STARGATE_NAMESPACE": "team-a",
        "STARGATE_JOB_UID": JOB_UID,
        "STARGATE_ATTEMPT": "1",
        "STARGATE_RANK": "0",
        "STARGATE_WORLD_SIZE": "2",
        "STARGATE_MASTER_ADDR": "train-1-0.train.team-a.svc",
        "STARGATE_MASTER_PORT": "29500",
        "STARGATE_MODEL_NAME": "materia",
        "STARGATE_DATASET_URI": "stargate_storage://datasets/materia",
        "STARGATE_DATASET_PATH": "/data/datasets/materia",
        "STARGATE_EPOCHS": "100",
        "STARGATE_ACCELERATOR_TYPE": "stargate_silicon_v2",
        "STARGATE_GPU_EQUIVALENTS": "8",
        "STARGATE_MEMORY_GB": "256",
        "STARGATE_OPTIMIZATION_STRATEGY": "distributed_adam_optimized",
        "STARGATE_CHECKPOINT_INTERVAL_EPOCHS": "5",
        "STARGATE_CHECKPOINT_RETAIN": "3",
        "STARGATE_CHECKPOINT_URI": f"{URI}/attempt-1",
        "STARGATE_CHECKPOINT_PATH": "/data/checkpoints/attempt-1",
        "STARGATE_GRACE_PERIOD_SECONDS": "30",
        "STARGATE_RESUME_EPOCH": "0",
        "STARGATE_RESUME_URI": "",
        "STARGATE_RESUME_PATH": "",
        "STARGATE_REPORT_URL": "https://localhost:1/apis/report",
        "STARGATE_REPORT_CA": "-----CA-----",
        "STARGATE_REPORT_TOKEN_FILE": "/var/run/secrets/stargate.dev/token",
    }
    return {name: value for name, value in (told | changes).items() if value}


def rank_of(
    base: Path | str, rank: int = 0, *, nodes: int = 2, attempt: int = 1, **changes: str
) -> Environment:
    """The environment of a rank whose checkpoints are under `base`."""
    ours = {
        "STARGATE_RANK": str(rank),
        "STARGATE_WORLD_SIZE": str(nodes),
        "STARGATE_ATTEMPT": str(attempt),
        "STARGATE_CHECKPOINT_URI": f"{URI}/attempt-{attempt}",
        "STARGATE_CHECKPOINT_PATH": f"{base}/attempt-{attempt}",
    }
    return environment.read(environ(**(ours | changes)))


def resumed(
    base: Path | str, name: str, epoch: int, rank: int = 0, nodes: int = 2, **changes: str
) -> Environment:
    """The environment of a rank in attempt 2 that resumes from a checkpoint of attempt 1."""
    return rank_of(
        base,
        rank,
        nodes=nodes,
        attempt=2,
        STARGATE_RESUME_EPOCH=str(epoch),
        STARGATE_RESUME_URI=f"{URI}/attempt-1/{name}",
        STARGATE_RESUME_PATH=f"{base}/attempt-1/{name}",
        **changes,
    )


def accepted(**said: Any) -> Reply:
    return Reply(200, json.dumps({"attempt": 1, "nextReportSeconds": 0.2, **said}).encode())


def refused(code: int, reason: str, message: str = "because") -> Reply:
    said = {"kind": "Status", "reason": reason, "message": message, "code": code}
    return Reply(code, json.dumps(said).encode())


Script = Callable[[Mapping[str, Any]], Reply | Exception]


def acknowledge(report: Mapping[str, Any], **said: Any) -> Reply:
    """Acknowledges Complete and Damaged checkpoints, as the operator does."""
    checkpoint = report.get("checkpoint")
    if checkpoint is None or checkpoint["state"] == "Writing":
        return accepted(**said)
    names = ("epoch", "uri", "state", "step")
    key = {name: checkpoint[name] for name in names if name in checkpoint}
    return accepted(acknowledged=key, **said)


@dataclass
class Operator:
    """Answers reports with `script`, and keeps the reports."""

    script: Script = acknowledge
    reports: list[dict[str, Any]] = field(default_factory=list)

    def post(self, token: str, body: bytes, seconds: float) -> Reply:
        del token, seconds
        report = json.loads(body)
        self.reports.append(report)
        answer = self.script(report)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def checkpoints(self) -> list[tuple[int, str]]:
        """Epoch and state, as they were reported."""
        told = [each["checkpoint"] for each in self.reports if "checkpoint" in each]
        return [(each["epoch"], each["state"]) for each in told]


def answers(*replies: Reply | Exception) -> Script:
    """A script that gives these replies in order, and then the last one for ever."""
    left = list(replies)

    def script(report: Mapping[str, Any]) -> Reply | Exception:
        del report
        return left.pop(0) if len(left) > 1 else left[0]

    return script


@dataclass
class Rank:
    """The parts of one rank, connected as `Worker` connects them, without process and network."""

    told: Environment
    operator: Operator
    shards_seconds: float = 5.0

    def __post_init__(self) -> None:
        self.shutdown = Shutdown(self.told.grace_seconds)
        self.client = ReportClient(self.operator.post, lambda: "token", self.shutdown)
        self.reporter = Reporter(self.client)
        self.saver = Saver(
            self.told,
            client=self.client,
            reporter=self.reporter,
            shutdown=self.shutdown,
            shards_seconds=self.shards_seconds,
        )


def gang(base: Path | str, operator: Operator, nodes: int = 2, **rest: Any) -> list[Rank]:
    return [Rank(rank_of(base, rank, nodes=nodes), operator, **rest) for rank in range(nodes)]


def eventually(condition: Callable[[], Any], seconds: float = 5.0) -> Any:
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.01)
    return found


class Gate:
    """Holds a thread until the test lets it go on."""

    def __init__(self) -> None:
        self._open = threading.Event()

    def wait(self) -> None:
        assert self._open.wait(10)

    def open(self) -> None:
        self._open.set()
