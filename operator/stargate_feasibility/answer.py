"""The answer to "can this job run?", for a program to read and for a person."""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from stargate_feasibility.reasons import Reason


class Answer(StrEnum):
    """The answer for a job. After `NOT_NOW`, it starts when other jobs end or nodes come back.

    After `NEVER`, it starts only when somebody changes the job or the cluster.
    """

    YES = "Yes"
    NOT_NOW = "NotNow"
    NEVER = "Never"

    @property
    def severity(self) -> int:
        """0 for YES, 1 for NOT_NOW, 2 for NEVER."""
        return list(Answer).index(self)


@dataclass(frozen=True)
class BlockAnswer:
    """The answer for one compute block.

    `room` is the number of this job's workers that fit into the block now. `capacity` is the number
    that would fit if nothing else ran and all nodes were usable. None where it is unknown.
    """

    block: str
    answer: Answer
    reasons: tuple[Reason, ...] = ()
    room: int | None = None
    capacity: int | None = None


@dataclass(frozen=True)
class Feasibility:
    """The answer for a job, with that of each block. True where the job would start now.

    `reasons` explain the whole answer. `assumptions` are facts that the answer needs and that only
    the operator can see.
    """

    answer: Answer
    reasons: tuple[Reason, ...] = ()
    blocks: tuple[BlockAnswer, ...] = ()
    assumptions: tuple[str, ...] = field(default=())

    def assuming(self, assumption: str) -> "Feasibility":
        """The same answer with one more assumption, a clause that starts with `that`."""
        return replace(self, assumptions=(*self.assumptions, assumption))

    def __bool__(self) -> bool:
        """True if the job would start now."""
        return self.answer is Answer.YES
