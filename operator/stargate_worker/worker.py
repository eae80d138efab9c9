"""A worker's whole life in a few calls: join, load, report, save, leave.

Nothing here blocks or ends a training because the operator is away. Threads do what takes time;
all of them are daemons, so that none keeps a process alive that wants to end.
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
from stargate_worker.deletion import Janitor
from stargate_worker.environment import Environment
from stargate_worker.errors import DamagedCheckpoint, WorkerError
from stargate_worker.loading import Shard
from stargate_worker.metrics import Metrics
from stargate_worker.protocol import Checkpoint, Taken
from stargate_worker.report_client import ReportClient
from stargate_worker.reporter import Reporter, first_within
from stargate_worker.saving import MARGIN_SECONDS, Saver, Saving
from stargate_worker.shutdown import Shutdown, SigtermWatch
from stargate_worker.storage import Writer
from stargate_worker.transport import Endpoint, read_token

EXIT_STOPPED = 143
"""128 + SIGTERM: not 0, which says that the training is complete."""
LAST_REPORT_SECONDS = 5.0
AFTER_ERROR_SECONDS = 5.0
_BYSTANDER_SECONDS = 2.0
"""Ranks that end because another must let that one be the first that the operator sees."""
_UNCOUNTED_GRACE_SECONDS = 60.0

_log = logging.getLogger(__name__)


def join(environ: Mapping[str, str] | None = None) -> "Worker":
    """Who this process is, from its environment; call it once, in the main thread, before forking."""
    worker = Worker(environment.read(os.environ if environ is None else environ))
    worker.start()
    return worker


class Worker:
    def __init__(self, told: Environment) -> None:
        self._told = told
        self.job = told.job
        self.namespace = told.namespace
        self.attempt = told.attempt
        self.rank = told.processes.rank
        self.world_size = told.processes.world_size
        self.local_rank = told.processes.local_rank
        self.node_rank = told.node_rank
        self.nodes = told.nodes
        self.leads = told.leads
        self.master_address = told.master_address
        self.master_port = told.master_port
        self.model_name = told.model_name
        self.dataset_uri = told.dataset_uri
        self.dataset_path = told.dataset_path
        self.epochs = told.epochs
        self.accelerator_type = told.accelerator_type
        self.gpu_equivalents = told.gpu_equivalents
        self.memory_gb = told.memory_gb
        self.optimization_strategy = told.optimization_strategy
        self.checkpoint_interval_epochs = told.checkpoint_interval_epochs
        self.checkpoint_uri = told.checkpoint_uri
        self.checkpoint_path = told.checkpoint_path
        self.resume = told.resume
        self._pid = os.getpid()
        self._closed = False
        self._metrics = Metrics()
        self._shutdown = Shutdown(told.grace_seconds)
        self._sigterm = SigtermWatch(self._shutdown)
        self._janitor = Janitor(told, self._shutdown)
        self._client = ReportClient(
            Endpoint(told.report_url, told.report_ca).post,
            partial(read_token, told.token_file),
            self._shutdown,
            on_taken=self._heard,
        )
        self._reporter = Reporter(
            self._client, first_within=first_within(told.nodes, told.node_rank)
        )
        self._saver = Saver(
            told, client=self._client, reporter=self._reporter, shutdown=self._shutdown
        )

    def start(self) -> None:
        self._sigterm.install()
        if self._told.reports:
            self._reporter.start()
            self._reporter.report()
        if self.leads:
            self._janitor.start()
        atexit.register(self._close, AFTER_ERROR_SECONDS)

    @property
    def stopping(self) -> bool:
        """SIGTERM came, or the operator said so: save at the next step, and leave."""
        return self._shutdown.stopping

    @property
    def seconds_left(self) -> float | None:
        """Of the grace period, once SIGTERM came."""
        return self._shutdown.seconds_left

    @property
    def epochs_to_train(self) -> range:
        """The epochs that are left, by the number that is completed when each ends."""
        return range((self.resume.epoch if self.resume else 0) + 1, self.epochs + 1)

    def save_due(self, epoch: int) -> bool:
        """After so many completed epochs, by the job's interval and at its end."""
        return epoch % self.checkpoint_interval_epochs == 0 or epoch == self.epochs

    def stopping_anywhere(self) -> bool:
        """Whether any rank is stopping. A collective of torch: all ranks ask at the same step."""
        return collectives.any_rank(self.stopping, self.world_size)

    def set_rendezvous(self, environ: MutableMapping[str, str] | None = None) -> None:
        """What `env://` reads, where it is not set (torchrun sets it)."""
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
        """Says that this rank is alive, and how far it is: `epoch` and `step` count what is completed.

        Returns at once and never raises; the newest word is sent when its time has come.
        """
        if not self._told.reports:
            return
        self._reporter.report(
            epoch=_count("epoch", epoch),
            step=_count("step", step),
            metrics=self._metrics.clean(metrics) if metrics and self.leads else None,
        )

    def save(
        self, epoch: SupportsIndex, writer: Writer, *, step: SupportsIndex | None = None
    ) -> Saving:
        """This rank's shard of the checkpoint after `epoch` completed epochs.

        Every rank calls it with the same epoch and step. A thread calls the writer while training
        goes on, so what it writes must not change: hand it a copy. One is written at a time: the
        call waits for the writing of the one before it.
        """
        within = None if step is None else operator.index(step)
        return self._saver.save(operator.index(epoch), within, writer)

    def load(self) -> Shard | None:
        """This rank's shard of the resume point, verified; None where training starts anew.

        Raises DamagedCheckpoint once the operator knows: the next attempt starts from an older one.
        """
        if self.resume is None:
            return None
        try:
            return loading.load(self._told, self.resume, self.report)
        except DamagedCheckpoint as damage:
            self._tell_damage(damage)
            raise

    def report_damaged(self, why: str) -> NoReturn:
        """For trainers that read the resume point themselves: it cannot be used, and why."""
        damage = DamagedCheckpoint(why)
        self._tell_damage(damage)
        raise damage

    def leave(self) -> NoReturn:
        """Ends the process before the training's end: after the last save, and not with 0."""
        if self._saver.last is not None:
            self._saver.last.settle()
        if not self._shutdown.over:
            self._await_the_others()
        self.close()
        raise SystemExit(EXIT_STOPPED)

    def close(self) -> None:
        """Finishes a pending save and sends the last word; what `with` does at its end."""
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

    def _close(self, patience: float | None) -> None:
        """`patience`: how long a pending save may take at most; None: until it is settled."""
        if self._closed or os.getpid() != self._pid:
            return
        self._closed = True
        atexit.unregister(self._close)
        if self._saver.last is not None and not self._saver.last.settle(patience):
            self._saver.abandon()
        self._reporter.close(LAST_REPORT_SECONDS)
        self._janitor.close(LAST_REPORT_SECONDS)
        self._sigterm.remove()

    def _heard(self, answer: Taken) -> None:
        if self.leads and not self._shutdown.over:
            self._janitor.take(answer.delete)

    def _tell_damage(self, damage: DamagedCheckpoint) -> None:
        assert self.resume is not None
        _log.error("the resume point cannot be used: %s", damage)
        checkpoint = Checkpoint(self.resume.epoch, self.resume.uri, "Damaged")
        try:
            self._client.insist(checkpoint, lambda: self.stopping)
        except WorkerError as error:
            _log.warning("the operator may not know of the damage: %s", error)

    def _await_the_others(self) -> None:
        """A rank that is gone ends the attempt, and with it a checkpoint that does not count yet."""
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
        _log.warning("%s is left out of a report: %r is no whole number from 0 on", field, value)
        return None
    return number
