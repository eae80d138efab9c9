"""A trainer that uses the standard library alone: any HTTP client can report, as the README says.

Each rank trains a chain of hashes, so a training that skips, repeats or mixes up an epoch ends with
another result. The ranks synchronize through files in their attempt's folder: rank 0 waits for all
ranks, then decides whether to save and whether to stop.
"""

import contextlib
import hashlib
import http.client
import json
import os
import signal
import ssl
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

Json = dict[str, Any]

_POLL = 0.02
_TIMEOUT = 15.0
_FAREWELL = 60.0

LEFT_EARLY = 143
"""The exit code of SIGTERM. An exit before the last epoch must not be 0, which means success."""


def trained(rank: int, epochs: int, state: str = "", since: int = 0) -> str:
    """The state of a rank after so many epochs."""
    for epoch in range(since + 1, epochs + 1):
        state = hashlib.sha256(f"{state}/{rank}/{epoch}".encode()).hexdigest()
    return state


@dataclass
class Worker:
    rank: int
    world: int
    epochs: int
    interval: int
    folder: Path
    uri: str
    resume: Path | None
    epoch_seconds: float
    stopping: bool = False

    @classmethod
    def here(cls) -> "Worker":
        env = os.environ
        return cls(
            rank=int(env["STARGATE_RANK"]),
            world=int(env["STARGATE_WORLD_SIZE"]),
            epochs=int(env["STARGATE_EPOCHS"]),
            interval=int(env["STARGATE_CHECKPOINT_INTERVAL_EPOCHS"]),
            folder=Path(env["STARGATE_CHECKPOINT_PATH"]),
            uri=env["STARGATE_CHECKPOINT_URI"],
            resume=Path(env["STARGATE_RESUME_PATH"]) if env["STARGATE_RESUME_PATH"] else None,
            epoch_seconds=float(env.get("PLAIN_EPOCH_SECONDS", "1")),
        )

    def load(self) -> tuple[int, str]:
        if self.resume is None:
            return 0, ""
        found = json.loads((self.resume / f"rank-{self.rank}.json").read_text())
        return int(found["epoch"]), str(found["state"])

    def save(self, epoch: int, state: str) -> None:
        write(self.checkpoint(epoch) / f"rank-{self.rank}.json", {"epoch": epoch, "state": state})

    def checkpoint(self, epoch: int) -> Path:
        return self.folder / f"epoch-{epoch}"

    def in_step(self, epoch: int) -> Json:
        """Wait until every rank has reached the epoch. Return the decision of rank 0."""
        said = self.folder / "steps" / f"{epoch}.json"
        write(self.folder / "steps" / f"{epoch}-{self.rank}", {})
        if self.rank == 0:
            for rank in range(self.world):
                wait_for(self.folder / "steps" / f"{epoch}-{rank}")
            stop = self.stopping
            save = stop or epoch % self.interval == 0 or epoch == self.epochs
            write(said, {"save": save, "stop": stop})
        wait_for(said)
        found: Json = json.loads(said.read_text())
        return found


@dataclass
class Reporter:
    """Report in a separate thread: training continues while the operator is down.

    It reports only after progress, so a training that hangs is silent.
    """

    worker: Worker
    epoch: int = 0
    _complete: list[int] = field(default_factory=list)
    _news: threading.Event = field(default_factory=threading.Event)
    _done: bool = False

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)
        self._thread.start()

    def reached(self, epoch: int) -> None:
        self.epoch = epoch
        self._news.set()

    def complete(self, epoch: int) -> None:
        self._complete.append(epoch)
        self._news.set()

    def close(self) -> None:
        """Wait until every checkpoint is acknowledged."""
        self._done = True
        self._news.set()
        self._thread.join(_FAREWELL)

    def _run(self) -> None:
        while not self._done or self._complete:
            if self._news.wait(1.0) or self._complete:
                self._news.clear()
                self._tell()

    def _tell(self) -> None:
        body: Json = {"epoch": self.epoch, "step": self.epoch}
        if self.worker.rank == 0 and self.epoch:
            body["metrics"] = [{"name": "loss", "value": 1 / self.epoch}]
        if self._complete:
            body["checkpoint"] = self._checkpoint(self._complete[0])
        if self._post(body) and self._complete:
            print(f"checkpoint of epoch {self._complete.pop(0)} is acknowledged", flush=True)

    def _checkpoint(self, epoch: int) -> Json:
        files = self.worker.checkpoint(epoch).iterdir()
        size = sum(file.stat().st_size for file in files)
        uri = f"{self.worker.uri}/epoch-{epoch}"
        return {"epoch": epoch, "uri": uri, "state": "Complete", "sizeBytes": size}

    def _post(self, body: Json) -> bool:
        """True if the report needs no retry: it was accepted, or refused as already complete."""
        try:
            status, said = post(body)
        except (OSError, http.client.HTTPException) as error:
            print(f"the operator does not answer: {error}", flush=True)
            time.sleep(0.3)
            return False
        if status == 404 or "StaleAttempt" in said:
            print(f"nothing more is wanted of this attempt: {said}", flush=True)
            os._exit(LEFT_EARLY)
        return status == 200 or "AlreadyComplete" in said


def post(body: Json) -> tuple[int, str]:
    env = os.environ
    url = urlsplit(env["STARGATE_REPORT_URL"])
    trust = ssl.create_default_context(cadata=env["STARGATE_REPORT_CA"])
    token = Path(env["STARGATE_REPORT_TOKEN_FILE"]).read_text()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection = http.client.HTTPSConnection(url.netloc, timeout=_TIMEOUT, context=trust)
    with contextlib.closing(connection):
        connection.request("POST", url.path, json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def write(file: Path, content: Json) -> None:
    """Write the file atomically."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.part")
    part.write_text(json.dumps(content))
    part.rename(file)


def wait_for(file: Path) -> None:
    while not file.exists():
        time.sleep(_POLL)


def train(worker: Worker, reporter: Reporter) -> bool:
    """Train. Return whether the last epoch was reached."""
    epoch, state = worker.load()
    print(f"rank {worker.rank} of {worker.world} begins after epoch {epoch}", flush=True)
    while epoch < worker.epochs:
        time.sleep(worker.epoch_seconds)
        state = trained(worker.rank, epoch + 1, state, epoch)
        epoch += 1
        worker.save(epoch, state)
        order = worker.in_step(epoch)
        print(f"epoch {epoch} loss {1 / epoch:.4f}", flush=True)
        reporter.reached(epoch)
        if order["save"] and worker.rank == 0:
            reporter.complete(epoch)
        if order["stop"]:
            break
    write(worker.folder.parent / f"result-{worker.rank}.json", {"epoch": epoch, "state": state})
    return epoch == worker.epochs


def main() -> None:
    worker = Worker.here()
    reporter = Reporter(worker)

    def terminated(number: int, frame: object) -> None:
        del number, frame
        worker.stopping = True

    signal.signal(signal.SIGTERM, signal.SIG_IGN if os.environ.get("PLAIN_DEAF") else terminated)
    reporter.start()
    finished = train(worker, reporter)
    reporter.close()
    sys.exit(0 if finished else LEFT_EARLY)


if __name__ == "__main__":
    main()
