"""Count the nodes that a gang holds."""

from tests.kit.recorder.history import State


def held(state: State, uid: str) -> int:
    """Nodes that live pods of the job are bound to."""
    return sum(pod.live and bool(pod.node) for pod in state.pods_of(uid))
