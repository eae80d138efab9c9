"""The part of a checkpoint that one rank saves, and how it is read again.

It holds everything that a run needs to continue with the same bits as an uninterrupted one. It
consists of tensors alone, so even old versions of torch read it without running a pickle's code.
"""

import io
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from stargate_trainer.exits import Exit, TrainerError


@dataclass(frozen=True)
class Shard:
    """The state of one rank."""

    weights: Tensor
    """This rank's slice of the weights, a vector."""
    optimizer: dict[int, Any]
    """State of the optimizer by parameter; the strategy gives the hyper-parameters."""
    random: Tensor
    """State of this rank's random number generator."""
    losses: Tensor
    """Sum of the losses in the steps of the unfinished epoch, a scalar."""

    def encode(self) -> bytes:
        """The shard as torch saves it."""
        held = io.BytesIO()
        torch.save({each.name: getattr(self, each.name) for each in fields(self)}, held)
        return held.getvalue()


def decode(data: bytes, *, length: int) -> Shard:
    """Reads a shard. `length` is the number of weights in a slice of this model.

    Raises TrainerError where another trainer or another model wrote the shard.
    """
    found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    names = {each.name for each in fields(Shard)}
    if not isinstance(found, dict) or found.keys() != names:
        raise _unusable("another trainer wrote it")
    shard = Shard(**found)
    if shard.weights.numel() != length:
        raise _unusable(
            f"its slices hold {shard.weights.numel()} weights and this model's {length}: it was"
            " written under another TRAINER_WIDTH, TRAINER_LAYERS or TRAINER_CONTEXT"
        )
    return shard


def _unusable(why: str) -> TrainerError:
    return TrainerError(Exit.CHECKPOINT_UNUSABLE, f"the resume point is unusable: {why}")
