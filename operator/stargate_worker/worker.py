"""The interface of a trainer: join, load, report, save, leave.

An absent operator neither blocks nor ends a training. Slow work runs in threads; all of them are
daemons, so that none keeps a process alive that has ended.
"""

import atexit
import logging
import operator
import os
import time
from collections.abc import Mapping, MutableMapping
from functools import partial
from types import TracebackType
from typing import NoReturn, Self, SupportsFloat, SupportsIndex

from stargate_worker import collectives, environment, loading
from stargate_worker.deletion import CheckpointDeleter
from stargate_worker.environment import Environment
from stargate_worker.errors import DamagedCheckpoint, WorkerError
from stargate_worker.loading import Shard
from stargate_worker.metrics import Metrics
from stargate_worker.protocol import Accepted, Checkpoint
from stargate_worker.report_client import ReportClient
from stargate_worker.reporter import Reporter, first_within
from stargate_worker.saving import MARGIN_SECONDS, Saver, Saving
from stargate_worker.shutdown import Shutdown, SigtermWatch
from stargate_worker.storage import Writer
from stargate_worker.transport import Endpoint, read_token

EXIT_STOPPED = 143
"""Exit code of `leave`: 128 + SIGTERM. Exit code 0 would say that the training is complete.

See docs/decisions/0016-an-early-end-exits-with-143.md.
"""
LAST_REPORT_SECONDS = 5.0
AFTER_ERROR_SECONDS = 5.0
_BYSTANDER_SECONDS = 2.0
"""Pause before an exit without SIGTERM, so that the operator sees the rank with the cause first."""
_UNCOUNTED_GRACE_SECONDS = 60.0

_log = logging.getLogger(__name__)


def join(environ: Mapping[str, str] | None = None) -> "Worker":
    """The worker of this process, from its environment. Starts reporting, and handles SIGTERM.

    Call it once, in the main thread, before anything forks. Raises NotInAJob.
    """
    worker = Worker(environment.read(os.environ if environ is None else environ))
    worker.start()
    return worker


class Worker:
    """One process of a training. docs/worker.md describes the attributes."""

    def __init__(self, variables: Environment) -> None:
        self._environment = variables
        self.job = variables.job
        self.namespace = variables.namespace
        self.attempt = variables.attempt
        self.rank = variables.processes.rank
        self.world_size = variables.processes.world_size
        self.local_rank = variables.processes.local_rank
        self.node_rank = variables.node_rank
        self.nodes = variables.nodes
        self.leads = variables.leads
        self.master_address = variables.master_address
        self.master_port = variables.master_port
        self.model_name = variables.model_name
        self.dataset_uri = variables.dataset_uri
        self.dataset_path = variables.dataset_path
        self.epochs = variables.epochs
        self.accelerator_type = variables.accelerator_type
        self.gpu_equivalents = variables.gpu_equivalents
        self.memory_gb = variables.memory_gb
        self.optimization_strategy = variables.optimization_strategy
        self.checkpoint_interval_epochs = variables.checkpoint_interval_epochs
        self.checkpoint_uri = variables.checkpoint_uri
        self.checkpoint_path = variables.checkpoint_path
        self.resume = variables.resume
        self._pid = os.getpid()
        self._closed = False
        self._metrics = Metrics()
        self._shutdown = Shutdown(variables.grace_seconds)
        self._sigterm = SigtermWatch(self._shutdown)
        self._deleter = CheckpointDeleter(variables, self._shutdown)
        self._client = ReportClient(
            Endpoint(variables.report_url, variables.report_ca).post,
            partial(read_token, variables.token_file),
            self._shutdown,
            on_accepted=self._on_accepted,
        )
        self._reporter = Reporter(
            self._client, first_within=first_within(variables.nodes, variables.node_rank)
        )
        self._saver = Saver(
            variables, client=self._client, reporter=self._reporter, shutdown=self._shutdown
        )

    def start(self) -> None:
        """Handles SIGTERM and starts the threads; `join` calls it."""
        self._sigterm.install()
        if self._environment.reports:
            self._reporter.start()
            self._reporter.report()
        if self.leads:
            self._deleter.start()
        atexit.register(self._close, AFTER_ERROR_SECONDS)

    @property
    def stopping(self) -> bool:
        """True if this rank must stop: SIGTERM came, or the operator asked. Save, then leave."""
        return self._shutdown.stopping

    @property
    def seconds_left(self) -> float | None:
        """Seconds left of the grace period; None before SIGTERM."""
        return self._shutdown.seconds_left

    @property
    def epochs_to_train(self) -> range:
        """The epochs that are left; each number is that of completed epochs at its end."""
        return range((self.resume.epoch if self.resume else 0) + 1, self.epochs + 1)

    def save_due(self, epoch: int) -> bool:
        """True if `epoch` completed epochs call for a save: at the job's interval, and at its end."""
        return epoch % self.checkpoint_interval_epochs == 0 or epoch == self.epochs

    def stopping_anywhere(self) -> bool:
        """True if any rank is stopping. A collective of torch: all ranks ask at the same step."""
        return collectives.any_rank(self.stopping, self.world_size)

    def set_rendezvous(self, environ: MutableMapping[str, str] | None = None) -> None:
        """Sets the variables that torch's `env://` reads, unless torchrun has set them."""
        target = os.environ if environ is None else environ
        target.setdefault("MASTER_ADDR", self.master_address)
        target.setdefault("MASTER_PORT", str(self.master_port))
        target.setdefault("RANK", str(self.rank))
        target.setdefault("WORLD_SIZE", str(self.world_size))

    def report(
        self,
        *,
        epoch: SupportsIndex | None = None,
        step: SupportsIndex | None = None,
        metrics: Mapping[str, SupportsFloat] | None = None,
    ) -> None:
        """Reports that this rank is alive, and its completed epochs and steps.

        Returns at once and never raises. The newest values go out with the next report.
        """
        if not self._environment.reports:
            return
        self._reporter.report(
            epoch=_count("epoch", epoch),
            step=_count("step", step),
            metrics=self._metrics.clean(metrics) if metrics and self.leads else None,
        )

    def save(
        self, epoch: SupportsIndex, writer: Writer, *, step: SupportsIndex | None = None
    ) -> Saving:
        """Saves this rank's shard of the checkpoint after `epoch` completed epochs.

        `step` counts optimizer steps since the training began: of two checkpoints in the same epoch,
        the one with the higher step is the newer one.
        Every rank calls it with the same epoch and step. A thread calls the writer while training
        goes on, so give it a copy that does not change. The call waits until the save before it is
        written. Raises ValueError for an epoch or step that cannot be saved.
        """
        steps = None if step is None else operator.index(step)
        return self._saver.save(operator.index(epoch), steps, writer)

    def load(self) -> Shard | None:
        """This rank's shard of the resume point, verified; None where there is no resume point.

        Raises DamagedCheckpoint after reporting it, so the next attempt uses an older checkpoint.
        Raises WorldSizeChanged, StorageUnavailable or OSError where the shard cannot be read.
        """
        if self.resume is None:
            return None
        try:
            return loading.load(self._environment, self.resume, self.report)
        except DamagedCheckpoint as damage:
            self._report_damage(damage)
            raise

    def report_damaged(self, why: str) -> NoReturn:
        """Reports that the resume point cannot be used, and raises DamagedCheckpoint.

        For trainers that read the resume point themselves.
        """
        damage = DamagedCheckpoint(why)
        self._report_damage(damage)
        raise damage

    def leave(self) -> NoReturn:
        """Exits with 143 before the end of training, once the last save is done."""
        if self._saver.last is not None:
            self._saver.last.settle()
        if not self._shutdown.attempt_over:
            self._await_acknowledgement()
        self.close()
        raise SystemExit(EXIT_STOPPED)

    def close(self) -> None:
        """Finishes a pending save and sends the last report; the end of a `with` block does this."""
        self._close(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        orderly = kind is None or issubclass(kind, SystemExit)
        self._close(None if orderly else AFTER_ERROR_SECONDS)

    def _close(self, seconds: float | None) -> None:
        """Waits for a pending save `seconds` at most; None waits without limit."""
        if self._closed or os.getpid() != self._pid:
            return
        self._closed = True
        atexit.unregister(self._close)
        if self._saver.last is not None and not self._saver.last.settle(seconds):
            self._saver.abandon()
        self._reporter.close(LAST_REPORT_SECONDS)
        self._deleter.close(LAST_REPORT_SECONDS)
        self._sigterm.remove()

    def _on_accepted(self, answer: Accepted) -> None:
        if self.leads and not self._shutdown.attempt_over:
            self._deleter.enqueue(answer.delete)

    def _report_damage(self, damage: DamagedCheckpoint) -> None:
        assert self.resume is not None
        _log.error("the resume point cannot be used: %s", damage)
        point = self.resume
        checkpoint = Checkpoint(point.epoch, point.uri, "Damaged", step=point.step)
        try:
            self._client.send_until_acknowledged(checkpoint, lambda: self.stopping)
        except WorkerError as error:
            _log.warning("the operator may not know about the damage: %s", error)

    def _await_acknowledgement(self) -> None:
        """Waits until the save counts: the first rank that exits ends the attempt.

        See docs/decisions/0017-nobody-leaves-before-the-last-save-counts.md.
        """
        until = time.monotonic() + _UNCOUNTED_GRACE_SECONDS
        while not self.leads and not self._saver.acknowledged():
            left = self._shutdown.seconds_left
            if time.monotonic() > until or (left is not None and left < MARGIN_SECONDS):
                break
        if not self._shutdown.terminated:
            time.sleep(_BYSTANDER_SECONDS)


def _count(field: str, value: SupportsIndex | None) -> int | None:
    if value is None:
        return None
    try:
        number = operator.index(value)
    except TypeError:
        number = -1
    if number < 0:
        _log.warning(
            "%s is left out of a report: %r is not a whole number of 0 or more", field, value
        )
        return None
    return number
