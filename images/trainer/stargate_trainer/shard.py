"""The part of one rank in a checkpoint, and how it is read again.

It has everything that a run needs to continue, bit for bit. It contains only tensors, so that even old
versions of torch can read it without executing a pickle.
"""

import io
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from stargate_trainer.exits import Exit, TrainerError


@dataclass(frozen=True)
class Shard:
    weights: Tensor
    """This rank's slice."""
    optimizer: dict[int, Any]
    """Its state by parameter; the hyper-parameters are those of the strategy."""
    random: Tensor
    """This rank's random numbers."""
    losses: Tensor
    """Sum of the losses over the steps of the unfinished epoch."""

    def encode(self) -> bytes:
        held = io.BytesIO()
        torch.save({each.name: getattr(self, each.name) for each in fields(self)}, held)
        return held.getvalue()


def decode(data: bytes, *, length: int) -> Shard:
    """Refuses a checkpoint of another model; `length` is the length of this model's slices."""
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
