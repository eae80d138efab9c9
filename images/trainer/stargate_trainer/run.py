"""The life of one rank, from the rendezvous to its last report.

All ranks decide together before each step whether to go on, so that all of them save the same step, even
if only one was told to stop.
"""

import json
import logging
import math
import time
from typing import NoReturn

import torch
import torch.distributed

from stargate_trainer.dataset import Dataset, Schedule, need_window
from stargate_trainer.exits import Exit, TrainerError
from stargate_trainer.rendezvous import Rendezvous
from stargate_trainer.settings import Settings
from stargate_trainer.shard import decode
from stargate_trainer.training import Text, Training
from stargate_worker import Saving, Worker
from stargate_worker.storage import folder_at

_log = logging.getLogger(__name__)


def run(worker: Worker, settings: Settings, dataset: Dataset) -> None:
    _meet(worker, settings)
    rank = Rank(worker, settings, dataset)
    rank.resume()
    while rank.epoch < worker.epochs:
        rank.train()
    rank.finish()


def _meet(worker: Worker, settings: Settings) -> None:
    Rendezvous(
        rank=worker.rank,
        world_size=worker.world_size,
        address=worker.master_address,
        port=worker.master_port,
        seconds=settings.rendezvous_seconds,
        stopping=lambda: worker.stopping,
    ).meet(settings.collective_seconds)


class Rank:
    """`epoch` whole epochs are done, and `step` steps of the next one."""

    def __init__(self, worker: Worker, settings: Settings, dataset: Dataset) -> None:
        self.epoch = self.step = 0
        self._worker, self._settings = worker, settings
        self._text = Text(dataset.train, settings.context)
        self._validation = Text(need_window(dataset.validation, settings.context), settings.context)
        self._schedule = Schedule(
            seed=settings.seed,
            windows=self._text.windows,
            batch_size=settings.batch_size,
            world_size=worker.world_size,
        ).checked()
        self._training = Training(settings, strategy_name=worker.optimization_strategy)
        self._saved = (0, 0)
        self._saving: Saving | None = None

    def resume(self) -> None:
        point, found = self._worker.resume, self._worker.load()
        if point is None or found is None:
            self._say("starts at the beginning")
            return
        shard = decode(found.read(), length=self._training.slices.length)
        if found.epoch != point.epoch:
            self._training.start_from(shard)
            self._say(f"starts from the weights in {point.uri}")
            return
        self._training.restore(shard)
        within = 0 if found.step is None else found.step - found.epoch * self._schedule.steps
        self._saved = self.epoch, self.step = found.epoch, within
        self._say(f"resumes after {self._place}, from {point.uri}")

    def train(self) -> None:
        """Trains the rest of an epoch."""
        began, first = time.monotonic(), self.step
        order = self._schedule.order(self.epoch)
        while self.step < self._schedule.steps:
            if self._worker.stopping_anywhere():
                self._leave()
            self._learn(self._schedule.batch(order, self.step, self._worker.rank))
        seconds = time.monotonic() - began
        self.epoch, self.step = self.epoch + 1, 0
        self._tell((self._schedule.steps - first) / seconds)
        if self._worker.save_due(self.epoch) and self.epoch < self._worker.epochs:
            self._save()

    def finish(self) -> None:
        """Waits for the last save: a training whose weights are lost has not succeeded."""
        digest = self._training.slices.digest()
        _all_alike(digest)
        if self._saved != (self.epoch, self.step):
            self._save().wait()
        self._tell_digest(digest)

    def _learn(self, batch: list[int]) -> None:
        due = time.monotonic() + self._settings.step_seconds
        self._training.learn(self._text.rows(batch))
        self.step += 1
        self._worker.report(epoch=self.epoch, step=self._steps)
        time.sleep(max(0.0, due - time.monotonic()))

    @property
    def _steps(self) -> int:
        """Steps since the training began, as reports and checkpoints count them."""
        return self.epoch * self._schedule.steps + self.step

    def _leave(self) -> NoReturn:
        saving = self._saving
        if self._saved != (self.epoch, self.step):
            saving = self._save()
        if saving is not None:
            saving.settle()
        _log.info("told to stop after %s%s", self._place, _fate(saving))
        self._worker.leave()

    def _save(self) -> Saving:
        """Encodes the shard at once, because the training goes on and changes the weights."""
        shard = self._training.shard().encode()
        self._saving = self._worker.save(self.epoch, shard, step=self._steps if self.step else None)
        self._saved = self.epoch, self.step
        return self._saving

    def _tell(self, steps_per_second: float) -> None:
        """Reports the end of an epoch."""
        validation = self._training.validate(self._validation)
        windows_per_step = self._settings.batch_size * self._worker.world_size
        metrics = {
            "loss": self._training.take_losses() / self._schedule.steps,
            "validationLoss": validation,
            "perplexity": _perplexity(validation),
            "samplesPerSecond": windows_per_step * steps_per_second,
        }
        self._worker.report(epoch=self.epoch, metrics=metrics)
        told = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
        self._say(f"epoch {self.epoch} of {self._worker.epochs}: {told}")

    def _tell_digest(self, digest: str) -> None:
        """Writes the digest beside the attempt's checkpoints, so that two trainings can be compared."""
        if self._worker.leads:
            told = json.dumps({"epochs": self.epoch, "sha256": digest}).encode()
            folder_at(self._worker.checkpoint_path).put("weights.json", told)
        self._say(f"trained {self._place}; the sha256 of the weights is {digest}")

    @property
    def _place(self) -> str:
        return f"{self.epoch} epochs" + (f" and {self.step} steps" if self.step else "")

    def _say(self, what: str) -> None:
        """Logs on rank 0 only, for messages that are equal on all ranks."""
        if self._worker.rank == 0:
            _log.info(what)


def _perplexity(loss: float) -> float:
    try:
        return math.exp(loss)
    except OverflowError:  # it diverges
        return math.inf


def _fate(saving: Saving | None) -> str:
    if saving is None:
        return ", with nothing new to save"
    return f", which could not be saved: {saving.error}" if saving.error else ", which is saved"


def _all_alike(digest: str) -> None:
    mine = torch.tensor(list(bytes.fromhex(digest)))
    all_digests = [torch.empty_like(mine) for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather(all_digests, mine)
    if any(not torch.equal(each, mine) for each in all_digests):
        raise TrainerError(Exit.RANKS_DISAGREE, "the ranks ended with different weights")
