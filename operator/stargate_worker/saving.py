"""Saves checkpoints while training goes on: every rank writes its shard, one rank completes them.

A rank writes its shard and then a sidecar with the shard's size and sha256. The leading rank reads
the sidecars, so the ranks need no collective; it writes the manifest last and reports the checkpoint.
The checkpoint counts once the operator has acknowledged it. A save that is interrupted at any point
leaves no manifest, so no attempt resumes from it. This module deletes nothing.
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
from stargate_worker.storage import FileDigest, Folder, Writer, folder_at

SHARDS_SECONDS = 600.0
"""How long the leading rank waits for the shards of the others."""
MARGIN_SECONDS = 1.0
"""Part of the grace period that is kept for the exit."""
_POLL_SECONDS = (0.1, 2.0)
"""The first and the longest pause between two looks at the folder."""

_log = logging.getLogger(__name__)


class Saving:
    """A checkpoint that is being saved. `uri` is its name in the job's status."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.error: Exception | None = None
        self._written = threading.Event()
        self._over = threading.Event()

    @property
    def done(self) -> bool:
        """True if this rank's shard is written and, on the leading rank, acknowledged.

        True as well after a failure, which `error` then holds.
        """
        return self._over.is_set()

    def wait(self, seconds: float | None = None) -> bool:
        """Waits until it is done, `seconds` at most, and returns whether it is. Raises `error`."""
        done = self.settle(seconds)
        if done and self.error is not None:
            raise self.error
        return done

    def settle(self, seconds: float | None = None) -> bool:
        """`wait` without raising."""
        return self._over.wait(seconds)

    def await_written(self) -> None:
        """Waits, without limit, until only the operator's acknowledgement is missing."""
        self._written.wait()

    def note_written(self) -> None:
        """Stores that only the operator's acknowledgement is missing."""
        self._written.set()

    def finish(self, error: Exception | None = None) -> None:
        """Stores that the save is done, or failed."""
        self.error = error
        self._over.set()
        self._written.set()


@dataclass
class _SaveRequest:
    """One save. The writer may hold a copy of the model, so it is released once it is used."""

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

    def as_checkpoint(self, state: str, size_bytes: int | None = None) -> Checkpoint:
        uri = self.saving.uri
        return Checkpoint(self.epoch, uri, state, size_bytes, self.step)  # type: ignore[arg-type]


class Saver:
    """Saves the checkpoints of one rank, one at a time.

    A checkpoint that waits only for the operator does not hold up the next one. The operator hears
    of checkpoints in the order of their saves.
    """

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
        """Starts a save and returns; first waits until the save before it is written.

        Raises ValueError for an epoch or step that the job does not have, or that was saved before.
        """
        name = self._name(epoch, step)
        if self.last is not None:
            self.last.await_written()
        self._names.add(name)
        saving = Saving(f"{self._environment.checkpoint_uri.rstrip('/')}/{name}")
        request = _SaveRequest(epoch, step, self._folder(name), saving, self.last, writer)
        self.last = saving
        threading.Thread(
            target=self._run, args=(request,), name=f"stargate-save-{name}", daemon=True
        ).start()
        return saving

    def abandon(self) -> None:
        """Gives up pending saves, because the process ends."""
        self._abandoned = True

    def acknowledged(self) -> bool:
        """True if the last save is acknowledged, or failed; for ranks that do not lead.

        Looks at the storage once and then pauses, because thousands of ranks may look.
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
            raise ValueError(f"epoch: {epoch} is not in 0 to {epochs}, the job's completed epochs")
        if step is not None and step < 0:
            raise ValueError(f"step: {step} is negative")
        name = checkpoint_name(epoch, step, self._environment.processes.restarts)
        if name in self._names:
            raise ValueError(f"{name} was saved already: state the step of a save in mid-epoch")
        return name

    def _run(self, request: _SaveRequest) -> None:
        try:
            self._save(request)
        except Exception as error:
            self._failed(request, error)
        else:
            request.saving.finish()

    def _failed(self, request: _SaveRequest, error: Exception) -> None:
        traceback.clear_frames(error.__traceback__)  # they hold the writer, and with it the model
        if not isinstance(error, WorkerError):
            cause = error
            error = CheckpointFailed(f"{request.saving.uri}: {type(cause).__name__}: {cause}")
            error.__cause__ = cause
        _log.error("a save has failed: %s", error)
        if self._environment.leads:
            self._reporter.announce(None)
        request.saving.finish(error)

    def _save(self, request: _SaveRequest) -> None:
        self._need_attempt()
        if self._environment.leads:
            self._reporter.announce(request.as_checkpoint("Writing"))
        written = self._write_shard(request)
        if self._environment.leads:
            self._complete(request, written)

    def _write_shard(self, request: _SaveRequest) -> FileDigest:
        """Writes the shard, then its sidecar. Bytes that are written count as a sign of life."""
        ours, job_uid = self._environment.processes, self._environment.job_uid
        sidecar = sidecar_name(ours.rank, ours.world_size)
        shard = shard_name(ours.rank, ours.world_size)
        try:
            written = request.folder.write(shard, request.take_writer(), self._reporter.report)
        except Exception as error:
            with contextlib.suppress(Exception):
                request.folder.put(
                    sidecar, encode_failure(job_uid, f"{type(error).__name__}: {error}")
                )
            raise
        request.folder.put(sidecar, encode_sidecar(job_uid, written))
        return written

    def _complete(self, request: _SaveRequest, ours: FileDigest) -> None:
        processes = self._environment.processes
        known = {processes.rank: ours}
        shards = _Shards(request.folder, self._environment.job_uid, processes.world_size, known)
        self._gather(shards, request)
        self._need_attempt()
        manifest = Manifest(
            job_uid=self._environment.job_uid,
            attempt=self._environment.attempt,
            epoch=request.epoch,
            step=request.step,
            shards=shards.all,
        )
        request.folder.put(MANIFEST, manifest.encode())
        self._reporter.announce(None)
        request.saving.note_written()
        if request.before is not None:
            request.before.settle()
        self._client.send_until_acknowledged(
            request.as_checkpoint("Complete", manifest.size_bytes), self._out_of_time
        )
        _log.info("the checkpoint %s is acknowledged", request.saving.uri)
        self._pass_on_the_acknowledgement(request)

    def _gather(self, shards: "_Shards", request: _SaveRequest) -> None:
        until = time.monotonic() + self._shards_seconds
        pause, longest = _POLL_SECONDS
        while not shards.look():
            self._need_attempt()
            if time.monotonic() > until or self._out_of_time():
                raise CheckpointFailed(
                    f"{request.saving.uri}: the shards of ranks {intervals(shards.missing)} did not"
                    " come in time"
                )
            time.sleep(pause)
            pause = min(pause * 1.5, longest)

    def _pass_on_the_acknowledgement(self, request: _SaveRequest) -> None:
        """Writes the file that the other ranks look for before they exit; a failure is harmless."""
        try:
            request.folder.put(ACKNOWLEDGED, self._environment.job_uid.encode())
        except Exception as error:
            _log.warning("%s: %s could not be written: %s", request.saving.uri, ACKNOWLEDGED, error)

    def _need_attempt(self) -> None:
        if self._shutdown.attempt_over:
            raise AttemptOver(self._shutdown.attempt_over)

    def _out_of_time(self) -> bool:
        left = self._shutdown.seconds_left
        return self._abandoned or (left is not None and left < MARGIN_SECONDS)


class _Shards:
    """The digests of a checkpoint's shards that are known so far, by rank."""

    def __init__(
        self, folder: Folder, job_uid: str, world_size: int, known: dict[int, FileDigest]
    ) -> None:
        self._folder = folder
        self._job_uid = job_uid
        self._world_size = world_size
        self._known = known

    @property
    def missing(self) -> list[int]:
        return [rank for rank in range(self._world_size) if rank not in self._known]

    @property
    def all(self) -> tuple[FileDigest, ...]:
        return tuple(self._known[rank] for rank in range(self._world_size))

    def look(self) -> bool:
        """Reads the new sidecars. Returns whether every shard is there."""
        if not self.missing:
            return True
        names = self._folder.names()
        sidecars = {rank: sidecar_name(rank, self._world_size) for rank in self.missing}
        new = {rank: name for rank, name in sidecars.items() if name in names}
        for rank, data in zip(new, self._folder.get_all(list(new.values())), strict=True):
            self._take(rank, decode_sidecar(self._job_uid, data))
        return not self.missing

    def _take(self, rank: int, result: FileDigest | str | None) -> None:
        if isinstance(result, str):
            raise CheckpointFailed(f"rank {rank} could not write its shard: {result}")
        if result is not None:
            self._known[rank] = result


def intervals(ranks: list[int]) -> str:
    """The ranks as intervals, 20 at most: `1-5,7`."""
    spans: list[list[int]] = []
    for rank in ranks:
        if spans and rank == spans[-1][1] + 1:
            spans[-1][1] = rank
        else:
            spans.append([rank, rank])
    named = [f"{a}" if a == b else f"{a}-{b}" for a, b in spans]
    return ",".join(named[:20]) + (",…" if len(named) > 20 else "")
