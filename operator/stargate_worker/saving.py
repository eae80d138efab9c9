"""Saves a checkpoint while training goes on: every rank its shard, one rank the whole.

A rank writes its shard and, after it, a sidecar that says what the shard measures. The leading rank
reads the sidecars, so that no collective is needed, writes the manifest last, and tells the
operator; the checkpoint counts once that is acknowledged. What is torn at any point has no
manifest, and nobody will ever resume from it. Nothing is deleted here.
"""

import contextlib
import logging
import threading
import time
import traceback
from dataclasses import dataclass

from stargate_worker.checkpoint_format import (
    ACKNOWLEDGED,
    MANIFEST,
    Manifest,
    checkpoint_name,
    decode_sidecar,
    encode_failure,
    encode_sidecar,
    shard_name,
    sidecar_name,
)
from stargate_worker.environment import Environment
from stargate_worker.errors import AttemptOver, CheckpointFailed, WorkerError
from stargate_worker.protocol import Checkpoint
from stargate_worker.report_client import ReportClient
from stargate_worker.reporter import Reporter
from stargate_worker.shutdown import Shutdown
from stargate_worker.storage import Folder, Writer, Written, folder_at

SHARDS_SECONDS = 600.0
"""How much later than the leading rank's a shard may come."""
MARGIN_SECONDS = 1.0
"""Of the grace that is kept for the way out."""
_LOOK_SECONDS = (0.1, 2.0)

_log = logging.getLogger(__name__)


class Saving:
    """A checkpoint that is being written. `uri` is its name towards the operator."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.error: Exception | None = None
        self._written = threading.Event()
        self._over = threading.Event()

    @property
    def done(self) -> bool:
        """Written by this rank; on the leading rank whole and acknowledged. Or failed: `error`."""
        return self._over.is_set()

    def wait(self, seconds: float | None = None) -> bool:
        """Whether it is done by then; raises what went wrong."""
        done = self.settle(seconds)
        if done and self.error is not None:
            raise self.error
        return done

    def settle(self, seconds: float | None = None) -> bool:
        """As `wait`, without raising."""
        return self._over.wait(seconds)

    def await_written(self) -> None:
        """Until nothing is left but the operator's word, however long that takes."""
        self._written.wait()

    def note_written(self) -> None:
        self._written.set()

    def finish(self, error: Exception | None = None) -> None:
        self.error = error
        self._over.set()
        self._written.set()


@dataclass
class _Order:
    """What is to be saved, and where. The writer may hold a copy of the model: it goes once used."""

    epoch: int
    step: int | None
    folder: Folder
    saving: Saving
    before: Saving | None
    writer: Writer | None

    def take_writer(self) -> Writer:
        writer, self.writer = self.writer, None
        assert writer is not None
        return writer

    def as_(self, state: str, size_bytes: int | None = None) -> Checkpoint:
        return Checkpoint(self.epoch, self.saving.uri, state, size_bytes)  # type: ignore[arg-type]


class Saver:
    """One checkpoint is written at a time. What waits only for the operator holds up no other; they
    are told of in their order."""

    def __init__(
        self,
        environment: Environment,
        *,
        client: ReportClient,
        reporter: Reporter,
        shutdown: Shutdown,
        shards_seconds: float = SHARDS_SECONDS,
    ) -> None:
        self._environment = environment
        self._client = client
        self._reporter = reporter
        self._shutdown = shutdown
        self._shards_seconds = shards_seconds
        self._names: set[str] = set()
        self._abandoned = False
        self.last: Saving | None = None

    def save(self, epoch: int, step: int | None, writer: Writer) -> Saving:
        name = self._name(epoch, step)
        if self.last is not None:
            self.last.await_written()
        self._names.add(name)
        saving = Saving(f"{self._environment.checkpoint_uri.rstrip('/')}/{name}")
        order = _Order(epoch, step, self._folder(name), saving, self.last, writer)
        self.last = saving
        threading.Thread(
            target=self._run, args=(order,), name=f"stargate-save-{name}", daemon=True
        ).start()
        return saving

    def abandon(self) -> None:
        """Nobody waits any longer: the process ends."""
        self._abandoned = True

    def acknowledged(self) -> bool:
        """For the ranks that do not lead: whether the last save counts, as the storage tells it.

        Looks once, and takes its time: thousands of ranks may be looking.
        """
        if self.last is None or self.last.error is not None:
            return True
        with contextlib.suppress(OSError):
            folder = self._folder(self.last.uri.rpartition("/")[2])
            if folder.get(ACKNOWLEDGED).decode() == self._environment.job_uid:
                return True
        time.sleep(min(0.5 + self._environment.processes.world_size / 2000, 5.0))
        return False

    def _folder(self, name: str) -> Folder:
        return folder_at(f"{self._environment.checkpoint_path.rstrip('/')}/{name}")

    def _name(self, epoch: int, step: int | None) -> str:
        epochs = self._environment.epochs
        if not 0 <= epoch <= epochs:
            raise ValueError(
                f"epoch: {epoch} is none of the job's {epochs}; it counts completed ones"
            )
        if step is not None and step < 0:
            raise ValueError(f"step: {step} is negative")
        name = checkpoint_name(epoch, step, self._environment.processes.restarts)
        if name in self._names:
            raise ValueError(f"{name} was saved already: a checkpoint in mid-epoch needs its step")
        return name

    def _run(self, order: _Order) -> None:
        try:
            self._save(order)
        except Exception as error:
            self._failed(order, error)
        else:
            order.saving.finish()

    def _failed(self, order: _Order, error: Exception) -> None:
        traceback.clear_frames(error.__traceback__)  # they hold the writer
        if not isinstance(error, WorkerError):
            cause = error
            error = CheckpointFailed(f"{order.saving.uri}: {type(cause).__name__}: {cause}")
            error.__cause__ = cause
        _log.error("a save has failed: %s", error)
        if self._environment.leads:
            self._reporter.announce(None)
        order.saving.finish(error)

    def _save(self, order: _Order) -> None:
        self._need_attempt()
        if self._environment.leads:
            self._reporter.announce(order.as_("Writing"))
        written = self._write_shard(order)
        if self._environment.leads:
            self._complete(order, written)

    def _write_shard(self, order: _Order) -> Written:
        """While bytes are moving, this rank is alive."""
        ours, job_uid = self._environment.processes, self._environment.job_uid
        sidecar = sidecar_name(ours.rank, ours.world_size)
        shard = shard_name(ours.rank, ours.world_size)
        try:
            written = order.folder.write(shard, order.take_writer(), self._reporter.report)
        except Exception as error:
            with contextlib.suppress(Exception):
                order.folder.put(
                    sidecar, encode_failure(job_uid, f"{type(error).__name__}: {error}")
                )
            raise
        order.folder.put(sidecar, encode_sidecar(job_uid, written))
        return written

    def _complete(self, order: _Order, ours: Written) -> None:
        processes = self._environment.processes
        known = {processes.rank: ours}
        shards = _Shards(order.folder, self._environment.job_uid, processes.world_size, known)
        self._gather(shards, order)
        self._need_attempt()
        manifest = Manifest(
            job_uid=self._environment.job_uid,
            attempt=self._environment.attempt,
            epoch=order.epoch,
            step=order.step,
            shards=shards.all,
        )
        order.folder.put(MANIFEST, manifest.encode())
        self._reporter.announce(None)
        order.saving.note_written()
        if order.before is not None:
            order.before.settle()
        self._client.insist(order.as_("Complete", manifest.size_bytes), self._out_of_time)
        _log.info("the checkpoint %s is acknowledged", order.saving.uri)
        self._pass_on_the_acknowledgement(order)

    def _gather(self, shards: "_Shards", order: _Order) -> None:
        until = time.monotonic() + self._shards_seconds
        pause, longest = _LOOK_SECONDS
        while not shards.look():
            self._need_attempt()
            if time.monotonic() > until or self._out_of_time():
                raise CheckpointFailed(
                    f"{order.saving.uri}: the shards of ranks {intervals(shards.missing)} did not"
                    " come in time"
                )
            time.sleep(pause)
            pause = min(pause * 1.5, longest)

    def _pass_on_the_acknowledgement(self, order: _Order) -> None:
        """The checkpoint counts with or without it; ranks that leave look for it."""
        try:
            order.folder.put(ACKNOWLEDGED, self._environment.job_uid.encode())
        except Exception as error:
            _log.warning("%s: %s could not be written: %s", order.saving.uri, ACKNOWLEDGED, error)

    def _need_attempt(self) -> None:
        if self._shutdown.over:
            raise AttemptOver(self._shutdown.over)

    def _out_of_time(self) -> bool:
        left = self._shutdown.seconds_left
        return self._abandoned or (left is not None and left < MARGIN_SECONDS)


class _Shards:
    """What is known of a checkpoint's shards so far, by rank."""

    def __init__(
        self, folder: Folder, job_uid: str, world_size: int, known: dict[int, Written]
    ) -> None:
        self._folder = folder
        self._job_uid = job_uid
        self._world_size = world_size
        self._known = known

    @property
    def missing(self) -> list[int]:
        return [rank for rank in range(self._world_size) if rank not in self._known]

    @property
    def all(self) -> tuple[Written, ...]:
        return tuple(self._known[rank] for rank in range(self._world_size))

    def look(self) -> bool:
        """Whether every shard is there by now."""
        if not self.missing:
            return True
        names = self._folder.names()
        sidecars = {rank: sidecar_name(rank, self._world_size) for rank in self.missing}
        new = {rank: name for rank, name in sidecars.items() if name in names}
        for rank, data in zip(new, self._folder.get_all(list(new.values())), strict=True):
            self._take(rank, decode_sidecar(self._job_uid, data))
        return not self.missing

    def _take(self, rank: int, told: Written | str | None) -> None:
        if isinstance(told, str):
            raise CheckpointFailed(f"rank {rank} could not write its shard: {told}")
        if told is not None:
            self._known[rank] = told


def intervals(ranks: list[int]) -> str:
    """`1-5,7`; at most what a log line bears."""
    spans: list[list[int]] = []
    for rank in ranks:
        if spans and rank == spans[-1][1] + 1:
            spans[-1][1] = rank
        else:
            spans.append([rank, rank])
    told = [f"{a}" if a == b else f"{a}-{b}" for a, b in spans]
    return ",".join(told[:20]) + (",…" if len(told) > 20 else "")
