"""The answer to "can this job run?", for a program to read and for a person."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from stargate_feasibility.reasons import Reason


class Answer(StrEnum):
    """`NOT_NOW` waits for others to end or for nodes to come back; `NEVER` for a change of the job or
    of the cluster."""

    YES = "Yes"
    NOT_NOW = "NotNow"
    NEVER = "Never"

    @property
    def severity(self) -> int:
        return list(Answer).index(self)


@dataclass(frozen=True)
class BlockAnswer:
    """`room` is how many workers of this job fit into the block now, and `capacity` how many would
    if nothing else ran and all its nodes were usable; None where that is not known."""

    block: str
    answer: Answer
    reasons: tuple[Reason, ...] = ()
    room: int | None = None
    capacity: int | None = None


@dataclass(frozen=True)
class Feasibility:
    """`reasons` are those of the answer as a whole; `assumptions` what it rests on and nobody but the
    operator can see."""

    answer: Answer
    reasons: tuple[Reason, ...] = ()
    blocks: tuple[BlockAnswer, ...] = ()
    assumptions: tuple[str, ...] = field(default=())

    def assuming(self, what: str) -> "Feasibility":
        return replace(self, assumptions=(*self.assumptions, what))

    def __bool__(self) -> bool:
        """Whether it would start now."""
        return self.answer is Answer.YES
