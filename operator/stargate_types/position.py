"""How far a training is: the ordered pair of completed epochs and optimizer steps.

A training with one epoch saves by steps, so an epoch alone cannot tell which of two checkpoints is the
newer one.

See docs/decisions/0049-position-is-epoch-and-step.md.
"""

from dataclasses import dataclass
from functools import total_ordering


@total_ordering
@dataclass(frozen=True, slots=True)
class Position:
    """`epoch` counts completed epochs, `step` optimizer steps since the training began.

    `step` is None where the trainer counts epochs alone. Such a position is the end of its epoch, so
    it comes before every position in the same epoch that has a step.
    """

    epoch: int
    step: int | None = None

    def __str__(self) -> str:
        return f"epoch {self.epoch}" + ("" if self.step is None else f", step {self.step}")

    def __lt__(self, other: "Position") -> bool:
        return self._order < other._order

    def matches(self, told: "Position") -> bool:
        """True if `told` can be this position: a trainer may leave out the step."""
        return told.epoch == self.epoch and told.step in (None, self.step)

    @property
    def _order(self) -> tuple[int, int]:
        return self.epoch, -1 if self.step is None else self.step


START = Position(0)
"""Where a training begins that resumes from nothing."""
