"""The questions that a job answers about its current attempt."""

from tests.kit.builders import attempt, job


def test_the_world_size_belongs_to_the_current_attempt() -> None:
    smaller = job(nodes=4).having(attempts=[attempt(1, nodes=4), attempt(2, nodes=3)])
    assert smaller.current_world_size == 3
    assert (smaller.current_attempt, smaller.previous_attempt) == tuple(
        reversed(smaller.status.attempts)
    )


def test_world_size_before_first_attempt_is_of_spec() -> None:
    fresh = job(nodes=4)
    assert fresh.current_world_size == 4
    assert (fresh.current_attempt, fresh.previous_attempt) == (None, None)
