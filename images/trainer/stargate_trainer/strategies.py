"""The names that `optimizationStrategy` may have, and what each stands for.

Pure: a name is refused before torch is imported.
"""

from dataclasses import dataclass, field
from typing import Any

from stargate_trainer.exits import Exit, TrainerError


@dataclass(frozen=True)
class Strategy:
    """`optimizer` is a class of torch.optim. Sharded: each rank keeps 1/world-size of its state."""

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
    found = STRATEGIES.get(name)
    if found is None:
        raise TrainerError(
            Exit.MISCONFIGURED,
            f"spec.optimizationStrategy: this trainer does not know {name!r}; it knows"
            f" {', '.join(sorted(STRATEGIES))}",
        )
    return found
