"""The names that `optimizationStrategy` may have, and the optimizer of each.

Pure, so that an unknown name is refused before torch is imported.
"""

from dataclasses import dataclass, field
from typing import Any

from stargate_trainer.exits import Exit, TrainerError


@dataclass(frozen=True)
class Strategy:
    """An optimizer and its options. `optimizer` is the name of a class in torch.optim.

    Where `sharded` is true, each rank keeps one part of the optimizer's state.
    """

    optimizer: str
    learning_rate: float
    sharded: bool = False
    options: dict[str, Any] = field(default_factory=dict)


STRATEGIES = {
    "distributed_adam_optimized": Strategy("Adam", 3e-3, sharded=True),
    "distributed_adamw": Strategy("AdamW", 3e-3, sharded=True, options={"weight_decay": 0.01}),
    "adam": Strategy("Adam", 3e-3),
    "adamw": Strategy("AdamW", 3e-3, options={"weight_decay": 0.01}),
    "sgd": Strategy("SGD", 0.1),
    "sgd_momentum": Strategy("SGD", 0.1, options={"momentum": 0.9}),
}


def strategy(name: str) -> Strategy:
    """The strategy of this name. Raises TrainerError where there is none."""
    found = STRATEGIES.get(name)
    if found is None:
        raise TrainerError(
            Exit.MISCONFIGURED,
            f"spec.optimizationStrategy: this trainer does not know {name!r}; it knows"
            f" {', '.join(sorted(STRATEGIES))}",
        )
    return found
