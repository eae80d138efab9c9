"""Whole workers against the operator's real report server, over TLS."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import stargate_worker
from stargate_kit.report_fakes import JOB, checkpoint, pod, token, view
from stargate_lab.host.paths import REPO
from stargate_worker import AttemptOver, DamagedCheckpoint, Worker, report_client, worker
from stargate_worker.protocol import Accepted
from tests.unit.reports.serving import PATH, Site, serving
from tests.unit.worker.fake_operator import environ

FOLDER = view().checkpoint_folder


@dataclass
class Node:
    """The node of a job's workers: a report server, a token for each rank, a shared folder."""

    site: Site
    folder: Path

    def environ(self, rank: int = 0, nodes: int = 1, **changes: str) -> dict[str, str]:
        token_file = self.folder / f"token-{rank}"
        token_file.write_text(token(pod(rank).uid))
        ours = {
            "STARGATE_RANK": str(rank),
            "STARGATE_WORLD_SIZE": str(nodes),
            "STARGATE_EPOCHS": "20",
            "STARGATE_CHECKPOINT_URI": FOLDER,
            "STARGATE_CHECKPOINT_PATH": f"{self.folder}/attempt-1",
            "STARGATE_REPORT_URL": f"https://localhost:{self.site.server.port}"
            + PATH.format("train", "materia"),
            "STARGATE_REPORT_CA": self.site.files[0].read_text(),
            "STARGATE_REPORT_TOKEN_FILE": str(token_file),
        }
        return environ(**(ours | changes))

    def resumed(self, name: str, epoch: int) -> dict[str, str]:
        return self.environ(
            STARGATE_RESUME_EPOCH=str(epoch),
            STARGATE_RESUME_URI=f"{FOLDER}/{name}",
            STARGATE_RESUME_PATH=f"{self.folder}/attempt-1/{name}",
        )

    def change(self, **view: Any) -> None:
        """Changes the operator's view of the job."""
        assert self.site.lookup.job is not None
        self.site.lookup.job = replace(self.site.lookup.job, **view)

    @property
    def progress(self) -> Any:
        return self.site.lookup.pending.of(JOB).progress or SimpleNamespace(epoch=None, metrics=())

    @property
    def states(self) -> dict[str, str]:
        """The latest state of each checkpoint that the operator knows."""
        assert self.site.lookup.job is not None
        known = reversed(self.site.lookup.job.checkpoints)
        return {saved.uri.rpartition("/")[2]: saved.state for saved in known}


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    async with serving(tmp_path) as site:
        yield Node(site, tmp_path)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(report_client, "_FIRST_PAUSE", 0.02)
    monkeypatch.setattr(worker, "LAST_REPORT_SECONDS", 2.0)
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@asynccontextmanager
async def joined(environ: dict[str, str]) -> AsyncIterator[Worker]:
    """A worker that is closed without waiting for a pending save."""
    found = stargate_worker.join(environ)
    yield found
    await asyncio.to_thread(found._close, 0.0)


def exit_code(leave: Callable[..., None], *arguments: Any) -> Any:
    with pytest.raises(SystemExit) as left:
        leave(*arguments)
    return left.value.code


async def settled(saving: stargate_worker.Saving) -> bool:
    return await asyncio.to_thread(saving.wait, 10)


async def eventually(condition: Any, seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in other threads
            await asyncio.sleep(0.02)


async def test_joined_worker_has_the_job_s_attributes(node: Node) -> None:
    async with joined(node.environ(rank=3, nodes=4)) as worker:
        assert (worker.rank, worker.world_size, worker.attempt) == (3, 4, 1)
        assert (worker.job, worker.namespace) == ("train", "team-a")
        assert worker.dataset_path == "/data/datasets/materia"
        assert worker.optimization_strategy == "distributed_adam_optimized"
        assert worker.epochs_to_train == range(1, 21)
        assert [epoch for epoch in range(1, 21) if worker.save_due(epoch)] == [5, 10, 15, 20]
        assert worker.resume is None
        assert worker.load() is None


async def test_joining_sends_a_first_report(node: Node) -> None:
    async with joined(node.environ()):
        await eventually(lambda: node.site.lookup.progress)


async def test_report_becomes_the_job_s_progress(node: Node) -> None:
    async with joined(node.environ()) as worker:
        worker.report(epoch=3, step=300, metrics={"loss": 0.25, "broken": float("nan")})
        await eventually(lambda: node.progress.epoch == 3)
    assert node.progress.metrics == (("loss", 0.25),)


async def test_invalid_report_does_not_end_training(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    async with joined(node.environ()) as worker:
        bad: Any = "seven"
        worker.report(epoch=bad, step=-1)
        worker.report(epoch=bad, step=5)
        await eventually(lambda: getattr(node.progress, "step", None) == 5)
    assert "'seven' is not a whole number" in caplog.text


async def test_saved_checkpoint_is_loaded_by_the_next_worker(node: Node) -> None:
    async with joined(node.environ()) as worker:
        assert await settled(worker.save(5, b"weights"))
        assert node.states == {"epoch-5": "Complete"}
    async with joined(node.resumed("epoch-5", 5)) as again:
        shard = await asyncio.to_thread(again.load)
        assert shard is not None
        assert shard.read() == b"weights"
        assert again.epochs_to_train == range(6, 21)


async def test_expired_checkpoint_is_deleted(node: Node) -> None:
    old = node.folder / "attempt-1" / "epoch-5"
    async with joined(node.environ()) as worker:
        assert await settled(worker.save(5, b"weights"))
        assert await settled(worker.save(10, b"weights"))
        assert old.exists()
        node.site.lookup.expire(checkpoint(5))
        worker.report(epoch=11)
        await eventually(lambda: not old.exists())
    assert (node.folder / "attempt-1" / "epoch-10" / "manifest.json").exists()


async def test_other_ranks_delete_nothing(node: Node) -> None:
    old = node.folder / "attempt-1" / "epoch-5"
    old.mkdir(parents=True)
    async with joined(node.environ(rank=1, nodes=2)) as worker:
        worker._on_accepted(Accepted(delete=(f"{FOLDER}/epoch-5",)))
        await asyncio.sleep(0.2)
    assert old.exists()


async def test_damage_is_reported_before_it_is_raised(node: Node) -> None:
    async with joined(node.environ()) as worker:
        assert await settled(worker.save(5, b"weights"))
    (node.folder / "attempt-1" / "epoch-5" / "shard-00000-of-00001").write_bytes(b"weighty")
    async with joined(node.resumed("epoch-5", 5)) as again:
        with pytest.raises(DamagedCheckpoint, match="another sha256"):
            await asyncio.to_thread(again.load)
        assert node.states["epoch-5"] == "Damaged"


@pytest.mark.parametrize("told", [{}, {"STARGATE_RESUME_STEP": "300"}], ids=["epoch", "step"])
async def test_damage_of_a_step_is_recorded(node: Node, told: dict[str, str]) -> None:
    """An operator that is older than the library, or newer, names the epoch alone."""
    async with joined(node.environ()) as worker:
        assert await settled(worker.save(5, b"weights", step=300))
    (node.folder / "attempt-1/epoch-5-step-300/manifest.json").unlink()
    async with joined(node.resumed("epoch-5-step-300", 5) | told) as again:
        with pytest.raises(DamagedCheckpoint):
            await asyncio.to_thread(again.load)
        assert node.states["epoch-5-step-300"] == "Damaged"


async def test_trainer_can_report_damage_itself(node: Node) -> None:
    async with joined(node.environ()) as worker:
        assert await settled(worker.save(5, b"weights"))
    async with joined(node.resumed("epoch-5", 5)) as again:
        with pytest.raises(DamagedCheckpoint, match="not the model"):
            await asyncio.to_thread(again.report_damaged, "not the model")
        assert node.states["epoch-5"] == "Damaged"


async def test_damage_report_waits_for_an_absent_operator(node: Node) -> None:
    async with joined(node.environ()) as worker:
        assert await settled(worker.save(5, b"weights"))
    (node.folder / "attempt-1" / "epoch-5" / "manifest.json").unlink()
    async with joined(node.resumed("epoch-5", 5)) as again:
        node.site.lookup.leads = False
        loading = asyncio.create_task(asyncio.to_thread(again.load))
        await asyncio.sleep(0.5)
        assert not loading.done()
        node.site.lookup.leads = True
        with pytest.raises(DamagedCheckpoint):
            await loading
        assert node.states["epoch-5"] == "Damaged"


async def test_worker_of_an_old_attempt_stops(node: Node) -> None:
    async with joined(node.environ()) as worker:
        node.change(attempt=2)
        worker.report(epoch=1)
        await eventually(lambda: worker.stopping)
        with pytest.raises(AttemptOver, match="attempt 2 is current"):
            await settled(worker.save(5, b"weights"))


async def test_suspended_worker_stops_and_may_save(node: Node) -> None:
    async with joined(node.environ()) as worker:
        node.change(stop=True)
        worker.report(epoch=1)
        await eventually(lambda: worker.stopping)
        assert worker.seconds_left is None
        assert await settled(worker.save(1, b"weights"))
    assert node.states == {"epoch-1": "Complete"}


async def test_closing_finishes_the_save_and_last_report(node: Node) -> None:
    async with joined(node.environ()) as worker:
        saving = worker.save(20, b"weights")
        worker.report(epoch=20)
        await asyncio.to_thread(worker.close)
        assert saving.done
    assert node.progress.epoch == 20
    assert node.states == {"epoch-20": "Complete"}


async def test_error_in_the_loop_ends_soon(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "AFTER_ERROR_SECONDS", 0.3)

    def crash() -> None:
        with stargate_worker.join(node.environ(rank=0, nodes=2)) as worker:
            worker.save(5, b"the other rank never saves")
            raise RuntimeError("CUDA error")

    async with asyncio.timeout(4):
        with pytest.raises(RuntimeError, match="CUDA"):
            await asyncio.to_thread(crash)


async def test_leaving_waits_for_acknowledgement_and_exits_143(node: Node) -> None:
    def leave() -> None:
        with stargate_worker.join(node.environ()) as worker:
            worker._shutdown.terminate()
            worker.save(7, b"weights")
            worker.leave()

    assert await asyncio.to_thread(exit_code, leave) == 143
    assert node.states == {"epoch-7": "Complete"}


async def test_other_rank_leaves_once_the_save_counts(node: Node) -> None:
    def leave(worker: Worker) -> None:
        worker._shutdown.terminate()
        worker.save(7, b"weights")
        worker.leave()

    async with (
        joined(node.environ(0, nodes=2)) as first,
        joined(node.environ(1, nodes=2)) as second,
    ):
        other = asyncio.create_task(asyncio.to_thread(exit_code, leave, second))
        await asyncio.sleep(0.6)
        assert not other.done(), "its pod's end would end the attempt"
        assert await asyncio.to_thread(exit_code, leave, first) == 143
        assert await other == 143
    assert node.states == {"epoch-7": "Complete"}


async def test_worker_log_holds_no_token(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with joined(node.environ()) as worker:
        await settled(worker.save(5, b"weights"))
        node.site.reviewer.answer = lambda _: {"error": "who is this?"}
        (node.folder / "token-0").write_text(token(pod(1).uid, exp=4e9 + 1))
        worker.report(epoch=6)
        await eventually(lambda: "401" in caplog.text)
    for rank in (0, 1):
        assert token(pod(rank).uid) not in caplog.text


async def test_rendezvous_variables_keep_torchrun_s_values(node: Node) -> None:
    async with joined(node.environ(rank=1, nodes=2)) as worker:
        plain: dict[str, str] = {}
        worker.set_rendezvous(plain)
        torchrun = {"MASTER_ADDR": "10.0.0.1", "RANK": "7"}
        worker.set_rendezvous(torchrun)
    assert plain == {
        "MASTER_ADDR": "train-1-0.train.team-a.svc",
        "MASTER_PORT": "29500",
        "RANK": "1",
        "WORLD_SIZE": "2",
    }
    assert (torchrun["MASTER_ADDR"], torchrun["RANK"]) == ("10.0.0.1", "7")


async def process(node: Node, *epoch_seconds: str) -> asyncio.subprocess.Process:
    """Starts the trainer of `training.py` in a process of its own."""
    return await run(node, str(REPO / "tests" / "kit" / "training.py"), *epoch_seconds)


async def run(node: Node, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        env={**os.environ, **node.environ(), "PYTHONPATH": str(REPO / "operator")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_training_process_runs_to_its_end(node: Node) -> None:
    trainer = await process(node, "0.01")
    async with asyncio.timeout(20):
        said, log = await trainer.communicate()
    assert trainer.returncode == 0, log.decode()
    assert said.decode().split("\n")[:2] == ["from 0 with b''", "done"]
    assert node.progress.epoch == 20
    assert list(node.states) == ["epoch-5", "epoch-10", "epoch-15", "epoch-20"]
    assert token(pod(0).uid) not in log.decode()


async def test_training_process_outlasts_an_absent_operator(node: Node) -> None:
    node.site.lookup.leads = False
    trainer = await process(node, "0.01")
    await asyncio.sleep(1.5)
    still_running = trainer.returncode is None
    assert still_running
    node.site.lookup.leads = True
    async with asyncio.timeout(40):
        _, log = await trainer.communicate()
    assert trainer.returncode == 0, log.decode()
    assert node.states["epoch-20"] == "Complete"


async def test_training_process_saves_after_sigterm(node: Node) -> None:
    trainer = await process(node, "0.2")
    await eventually(lambda: node.progress.epoch, seconds=15)
    trainer.send_signal(signal.SIGTERM)
    async with asyncio.timeout(20):
        said, log = await trainer.communicate()
    assert trainer.returncode == 143, log.decode()
    left_after = said.decode().split("leaving after ")[1].strip()
    assert node.states[f"epoch-{left_after}"] == "Complete"


async def test_process_without_close_finishes_its_save(node: Node) -> None:
    """Without `with` and `close`, the end of the interpreter must finish the save."""
    program = "import stargate_worker; stargate_worker.join().save(5, b'weights')"
    trainer = await run(node, "-c", program)
    async with asyncio.timeout(20):
        _, log = await trainer.communicate()
    assert trainer.returncode == 0, log.decode()
    assert node.states == {"epoch-5": "Complete"}, log.decode()
