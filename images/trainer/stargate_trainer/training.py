"""One rank's part in the training: steps, losses, and its state as a shard.

Everything here is a function of the seed, the data and the number of ranks. It knows nothing of
checkpoint storage, reports or signals.
"""

from collections.abc import Sequence

import torch
import torch.distributed
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from stargate_trainer.dataset import windows
from stargate_trainer.model import LanguageModel, surprise
from stargate_trainer.optimizers import optimizer
from stargate_trainer.settings import Settings
from stargate_trainer.shard import Shard
from stargate_trainer.slices import Slices
from stargate_trainer.strategies import strategy


class Training:
    """Every rank makes it at the same time, with an equal result."""

    def __init__(self, settings: Settings, *, strategy_name: str) -> None:
        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(True)
        torch.manual_seed(settings.seed)
        self._settings = settings
        model = LanguageModel(
            context=settings.context, width=settings.width, layers=settings.layers
        )
        self._ddp = DistributedDataParallel(model, broadcast_buffers=False)
        self.slices = Slices(model)
        self._optimizer = optimizer(
            strategy(strategy_name), model, self.slices, learning_rate=settings.learning_rate
        )
        self._losses = torch.zeros((), dtype=torch.float64)
        self._settle_buckets()
        torch.manual_seed(settings.seed * 1_000_003 + torch.distributed.get_rank())

    def _settle_buckets(self) -> None:
        """Runs one backward pass without effect: after the first, DDP changes the gradients' layout.

        The layout decides in which order gloo adds the ranks' gradients up, and so the last bits
        of the sums. A resumed run must not take its first step in another layout than the run
        that it continues.
        """
        nothing = torch.zeros(1, self._settings.context, dtype=torch.long)
        surprise(self._ddp(nothing), nothing).backward()

    def learn(self, window: Tensor) -> None:
        """One step of all ranks together, each with its own windows."""
        self._ddp.train()
        self._ddp.zero_grad(set_to_none=True)
        loss = surprise(self._ddp(window[:, :-1]), window[:, 1:])
        loss.backward()
        self._optimizer.step()
        self._losses += loss.detach()

    @torch.no_grad()
    def validate(self, text: "Text") -> float:
        """The mean loss on the validation text; each rank computes a part of it."""
        model = self._ddp.module.eval()
        mine = range(torch.distributed.get_rank(), text.windows, torch.distributed.get_world_size())
        losses = torch.zeros((), dtype=torch.float64)
        for first in range(0, len(mine), self._settings.batch_size):
            window = text.rows(mine[first : first + self._settings.batch_size])
            losses += surprise(model(window[:, :-1]), window[:, 1:]) * len(window)
        return total(float(losses)) / text.windows

    def take_losses(self) -> float:
        """The mean loss of the epoch over all ranks; it ends the epoch."""
        losses = total(float(self._losses)) / torch.distributed.get_world_size()
        self._losses.zero_()
        return losses

    def shard(self) -> Shard:
        return Shard(
            weights=self.slices.weights(),
            optimizer=self._optimizer.state(),
            random=torch.get_rng_state(),
            losses=self._losses,
        )

    def restore(self, shard: Shard) -> None:
        """Restores a shard; all ranks must call it at the same time."""
        self.start_from(shard)
        self._optimizer.restore(shard.optimizer)
        self._losses.copy_(shard.losses)
        torch.set_rng_state(shard.random)

    def start_from(self, shard: Shard) -> None:
        """Takes only the weights of another training. All ranks must call it at the same time."""
        self.slices.spread(shard.weights)


class Text:
    """Bytes as rows of `context` bytes, each with the byte that follows."""

    def __init__(self, text: bytes, context: int) -> None:
        self._bytes = torch.frombuffer(bytearray(text), dtype=torch.uint8)
        self._row = torch.arange(context + 1)
        self._context = context
        self.windows = windows(text, context)

    def rows(self, numbers: Sequence[int]) -> Tensor:
        starts = torch.tensor(list(numbers)) * self._context
        return self._bytes[starts[:, None] + self._row].long()


def total(value: float) -> float:
    """The sum over all ranks; it waits for all of them."""
    summed = torch.tensor([value], dtype=torch.float64)
    torch.distributed.all_reduce(summed)
    return float(summed)
