"""Runs a gang of the reference trainer as local processes, with the environment of real pods.

The job is the one of examples/kind. The operator's own code creates the environment of each attempt.
"""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stargate_operator.desired.environment import ReportTarget, environment
from stargate_operator.model.blueprint import Blueprint, resolve
from stargate_types import AcceleratorClass, StargateJob, StargateRuntime
from stargate_types.status import Checkpoints, RestoredFrom
from tests.kit.example_on_kind import example
from tests.trainer.sink import Json, Sink

REPO = Path(__file__).parents[2]
DATA = REPO / "images" / "trainer" / "data"
SECONDS = 120.0


@dataclass
class Rank:
    process: "subprocess.Popen[bytes]"
    log: Path

    def wait(self, seconds: float = SECONDS) -> int:
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"the rank still runs after {seconds:g} s:\n{self.output}"
            ) from None

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    @property
    def output(self) -> str:
        return self.log.read_text()

    @property
    def last_line(self) -> str:
        return self.output.strip().splitlines()[-1]


@dataclass
class Attempt:
    number: int
    ranks: list[Rank]
    sink: Sink

    def wait(self, seconds: float = SECONDS) -> list[int]:
        """The exit codes by rank."""
        return [rank.wait(seconds) for rank in self.ranks]

    def passes(self, step: int, seconds: float = SECONDS) -> None:
        """Waits until every rank has reported that step or a later one."""

        def passed() -> bool:
            steps = self.sink.steps(self.number)
            return len(steps) == len(self.ranks) and min(steps.values()) >= step

        self.until(passed, f"step {step}", seconds)

    def until(self, condition: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
        limit = time.monotonic() + seconds
        while not condition():
            ended = [rank for rank in self.ranks if rank.process.poll() not in (None, 0)]
            assert not ended, f"a rank ended before {what}:\n{ended[0].output}"
            assert time.monotonic() < limit, f"no {what} in {seconds:g} s:\n{self.ranks[0].output}"
            time.sleep(0.05)

    def kill(self) -> None:
        for rank in self.ranks:
            if rank.process.poll() is None:
                rank.process.kill()
                rank.process.wait()


@dataclass
class Gang:
    """`storage` is the folder that pods mount as /storage; `python` is one that imports torch."""

    storage: Path
    python: str
    sink: Sink
    spec: Json = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)

    def start(self, resume: Json | None = None, **env: str) -> Attempt:
        """Starts the next attempt, from the given checkpoint of a report."""
        number = len(self.attempts) + 1
        job, port = self._job(resume), str(_free_port())
        ranks = [
            self._spawn(
                rank, number, self._pod_env(job, number, rank) | self._local_env(port) | env
            )
            for rank in range(job.current_world_size)
        ]
        self.attempts.append(Attempt(number, ranks, self.sink))
        return self.attempts[-1]

    def end(self) -> None:
        for attempt in self.attempts:
            attempt.kill()

    @property
    def weights(self) -> str:
        """The content of weights.json of the last attempt."""
        folder = self.attempts[-1].number
        (found,) = self.storage.glob(f"checkpoints/*/*/attempt-{folder}/weights.json")
        return found.read_text()

    def _job(self, resume: Json | None) -> StargateJob:
        manifest = example()["StargateJob"]
        manifest["spec"] |= self.spec
        manifest["metadata"]["uid"] = "0123456789"
        job = StargateJob.model_validate(manifest)
        if resume is None:
            return job
        point = RestoredFrom(epoch=resume["epoch"], uri=resume["uri"])
        status = job.status.model_copy(update={"checkpoints": Checkpoints(restored_from=point)})
        return job.model_copy(update={"status": status})

    def _pod_env(self, job: StargateJob, attempt: int, rank: int) -> dict[str, str]:
        target = ReportTarget(self.sink.url, self.sink.ca)
        entries = environment(
            job, self._blueprint(job), attempt=attempt, rank=str(rank), target=target
        )
        return {entry["name"]: entry["value"] for entry in entries}

    def _blueprint(self, job: StargateJob) -> Blueprint:
        found = example()
        found["StargateRuntime"]["spec"]["storage"][0]["mountPath"] = str(self.storage)
        runtime = StargateRuntime.model_validate(found["StargateRuntime"])
        accelerator = AcceleratorClass.model_validate(found["AcceleratorClass"])
        blueprint = resolve(job, runtimes=[runtime], classes=[accelerator])
        assert isinstance(blueprint, Blueprint), blueprint
        return blueprint

    def _local_env(self, port: str) -> dict[str, str]:
        """The variables that differ where all ranks share one machine."""
        return {
            "STARGATE_MASTER_ADDR": "127.0.0.1",
            "STARGATE_MASTER_PORT": port,
            "GLOO_SOCKET_IFNAME": "lo",
            "PYTHONPATH": f"{REPO / 'images' / 'trainer'}:{REPO / 'operator'}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PATH": os.environ["PATH"],
            **self.env,
        }

    def _spawn(self, rank: int, attempt: int, env: dict[str, Any]) -> Rank:
        token = self.storage / f"token-{attempt}-{rank}"
        token.write_text(f"{attempt}/{rank}")
        log = self.storage / f"log-{attempt}-{rank}"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [self.python, "-m", "stargate_trainer"],
                env=env | {"STARGATE_REPORT_TOKEN_FILE": str(token)},
                cwd=self.storage,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        return Rank(process, log)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
