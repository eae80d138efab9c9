"""The times of a gang's milestones, from changes of its pods, in the same way for every contender."""

from enum import StrEnum

from stargate_operator.model.pod import RUNNING, Pod


class Milestone(StrEnum):
    CREATED = "created"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    FIRST_DELETE = "first delete"
    GONE = "gone"
    """No pod is alive; a failed pod may still exist, for its logs."""


class Timeline:
    """The milestones of one attempt's pods. Times are on the clock of the values given to `take`."""

    def __init__(self, size: int) -> None:
        self.moments: dict[Milestone, float] = {}
        self._size = size
        self._pods = 0
        self._with_node = 0
        self._running = 0
        self._alive = 0

    def take(self, old: Pod | None, new: Pod | None, now: float) -> bool:
        """True if a milestone was reached."""
        self._pods += (new is not None) - (old is not None)
        self._with_node += _has_node(new) - _has_node(old)
        self._running += _runs(new) - _runs(old)
        self._alive += _is_alive(new) - _is_alive(old)
        reached = [milestone for milestone in self._standing(new) if milestone not in self.moments]
        self.moments.update(dict.fromkeys(reached, now))
        return bool(reached)

    def _standing(self, new: Pod | None) -> list[Milestone]:
        stands = {
            Milestone.CREATED: self._pods == self._size,
            Milestone.SCHEDULED: self._with_node == self._size,
            Milestone.RUNNING: self._running == self._size,
            Milestone.FIRST_DELETE: new is None or new.deleting,
            Milestone.GONE: self._alive == 0,
        }
        return [milestone for milestone, is_so in stands.items() if is_so]


def _has_node(pod: Pod | None) -> bool:
    return pod is not None and bool(pod.node)


def _runs(pod: Pod | None) -> bool:
    return pod is not None and pod.phase == RUNNING


def _is_alive(pod: Pod | None) -> bool:
    return pod is not None and pod.alive
