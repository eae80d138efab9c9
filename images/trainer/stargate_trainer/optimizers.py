"""The optimizer of a strategy: each rank has a copy of its state, or one part of it.

The sharded optimizer is our own, not torch's ZeroRedundancyOptimizer: that one divides between
parameters (so ranks differ, and some may have none), gives its state only gathered on one rank, and
its import takes a second of every start.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from stargate_trainer.slices import Slices
from stargate_trainer.strategies import Strategy


class Replicated:
    """Every rank takes the same step with the same state."""

    def __init__(self, inner: torch.optim.Optimizer) -> None:
        self._inner = inner

    def step(self) -> None:
        self._inner.step()

    def state(self) -> dict[int, Any]:
        """The state that this rank must save."""
        found: dict[int, Any] = self._inner.state_dict()["state"]
        return found

    def restore(self, state: dict[int, Any]) -> None:
        groups = self._inner.state_dict()["param_groups"]
        self._inner.load_state_dict({"state": state, "param_groups": groups})


class Sharded(Replicated):
    """Every rank updates its own slice of the weights and sends it to all others."""

    def __init__(self, inner: torch.optim.Optimizer, mine: nn.Parameter, slices: Slices) -> None:
        super().__init__(inner)
        self._mine, self._slices = mine, slices

    def step(self) -> None:
        self._mine.data.copy_(self._slices.weights())
        self._mine.grad = self._slices.gradients()
        super().step()
        self._slices.spread(self._mine.data)


def optimizer(
    strategy: Strategy, model: nn.Module, slices: Slices, *, learning_rate: float
) -> Replicated:
    """`learning_rate` 0 takes the strategy's own."""

    def build(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        kind = getattr(torch.optim, strategy.optimizer)
        rate = learning_rate or strategy.learning_rate
        made: torch.optim.Optimizer = kind(parameters, lr=rate, **strategy.options)
        return made

    if not strategy.sharded:
        return Replicated(build(model.parameters()))
    mine = nn.Parameter(slices.weights())
    return Sharded(build([mine]), mine, slices)
