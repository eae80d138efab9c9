"""Finding the failed rank that ended an attempt, and the cause."""

import pytest

from stargate_operator.decide.culprit import first_failure
from tests.kit.builders import NOW, GivenPod, pod


@pytest.mark.parametrize(
    ("failed", "said"),
    [
        (pod(3).failed(1), "rank 3 on node-3 exited with 1"),
        (pod(3).killed(11), "rank 3 on node-3 was killed by SIGSEGV (exit 139)"),
        (pod(3).failed(192), "rank 3 on node-3 was killed by SIGRTMAX (exit 192)"),
        (pod(3).failed(160), "rank 3 on node-3 was killed by signal 32 (exit 160)"),
        (pod(3).lost(), "rank 3 on node-3 was lost with its node"),
        (
            pod(3).evicted(),
            "rank 3 on node-3 was evicted: The node was low on resource: ephemeral-storage.",
        ),
        (pod(3).rejected("OutOfcpu"), "rank 3 on node-3 was rejected by its node (OutOfcpu)"),
        (pod(3).failed(1).deleted(), "rank 3 on node-3 was deleted by someone else"),
    ],
)
def test_a_failed_pod_s_message_is_plain(failed: GivenPod, said: str) -> None:
    ending = first_failure([failed], NOW)
    assert ending is not None
    assert ending.message == said


def test_a_missing_command_s_message_is_no_log() -> None:
    words = 'exec: "trian.py": executable file not found in $PATH'
    ending = first_failure([pod(3).failed(128, reason="StartError", log=words)], NOW)
    assert ending is not None
    assert ending.log == ""
    assert ending.message == f"rank 3 on node-3 could not start its container (exit 128): {words}"


def test_log_lines_are_kept_apart_from_the_message() -> None:
    ending = first_failure([pod(3).failed(1, log="Traceback\nRuntimeError: boom\n")], NOW)
    assert ending is not None
    assert (ending.message, ending.log) == (
        "rank 3 on node-3 exited with 1",
        "Traceback\nRuntimeError: boom",
    )


@pytest.mark.parametrize(
    ("pods", "rank"),
    [
        ([pod(1).failed(finished=-3), pod(2).failed(finished=-5)], 2),
        ([pod(1).oom_killed(finished=-3), pod(2).failed(finished=-5)], 2),
        ([pod(1).failed(), pod(2).killed()], 2),
        ([pod(1).killed(), pod(2).oom_killed()], 2),
        ([pod(1).oom_killed(), pod(2).lost()], 2),
        ([pod(1).failed(), pod(2).failed().deleted()], 2),
        ([pod(7).failed(), pod(3).failed()], 3),
        ([pod(0).failed(75), pod(2).failed(1)], 2),
        ([pod(0).failed(75, finished=-3), pod(2).failed(1)], 2),
        ([pod(4).failed(75, finished=-1), pod(2).failed(75, finished=-3)], 2),
        ([pod(1).lost(), pod(2).failed(finished=-1)], 2),
    ],
    ids=[
        "the earlier",
        "the earlier, though less grave",
        "a signal before an exit",
        "OOM before a signal",
        "a lost node before OOM",
        "a deletion before an exit",
        "the lower rank of equals",
        "the one whose end the others tell of",
        "also where a clock is behind",
        "the earlier of those that tell of another",
        "an exit a second before the loss was seen",
    ],
)
def test_the_first_failure_is_the_culprit(pods: list[GivenPod], rank: int) -> None:
    for order in (pods, pods[::-1]):
        ending = first_failure(order, NOW)
        assert ending is not None
        assert ending.rank == rank


def test_fractions_of_a_second_do_not_order_failures() -> None:
    """A container's end has whole seconds, what we see ourselves has not."""
    seen = NOW.replace(microsecond=700_000)
    ending = first_failure([pod(1).failed(), pod(2).lost()], seen)
    assert ending is not None
    assert ending.rank == 2


def test_without_failed_pods_there_is_no_culprit() -> None:
    assert first_failure([], NOW) is None
