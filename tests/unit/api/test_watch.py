"""Watching a job, waiting for a state and reading logs, also through interruptions."""

from typing import Any

import pytest

from stargate_api import InvalidConfig, JobStatus, NotFound, Refused, Timeout, Unreachable
from stargate_api._client import watch
from stargate_api._client.steps import run_call, stream
from tests.unit.api.scripted_server import (
    LOST,
    Lines,
    Script,
    Time,
    answers,
    calls,
    events,
    job,
    no,
    yes,
)

STARTING = job(phase="Starting", version=1)
RUNNING = job(phase="Running", version=2)
DONE = job(phase="Succeeded", version=3)


def watched(server: Script, time: Time, timeout: float | None = None) -> list[str]:
    return [each.state for each in stream(watch.watch(calls(time), "job", timeout), server)]


def waited(server: Script, time: Time, **how: Any) -> JobStatus:
    call = watch.wait(calls(time), "job", how.get("state"), how.get("timeout"))
    return run_call(call, server)


def test_watch_ends_when_the_job_finishes(time: Time) -> None:
    seen = events(("MODIFIED", RUNNING), ("MODIFIED", DONE), ("MODIFIED", RUNNING))
    server = answers(yes(STARTING), seen)
    assert watched(server, time) == ["Starting", "Running", "Succeeded"]
    assert server.requests[1].query["fieldSelector"] == "metadata.name=job"
    assert server.requests[1].query["resourceVersion"] == "1"
    assert seen.closed


def test_finished_job_opens_no_watch(time: Time) -> None:
    server = answers(yes(DONE))
    assert watched(server, time) == ["Succeeded"]
    assert len(server.requests) == 1


def test_change_of_metadata_emits_nothing(time: Time) -> None:
    same = job(phase="Starting", version=9)
    assert watched(
        answers(yes(STARTING), events(("MODIFIED", same), ("MODIFIED", DONE))), time
    ) == [
        "Starting",
        "Succeeded",
    ]


@pytest.mark.parametrize(
    "over",
    [
        events(),
        events(end=LOST),
        events(("ERROR", {"code": 410})),
        Lines([b'{"type": "MODIF']),
    ],
    ids=["end", "broken", "forgotten", "half a line"],
)
def test_ended_watch_reads_the_job_again(time: Time, over: Lines) -> None:
    server = answers(yes(STARTING), over, yes(RUNNING), events(("MODIFIED", DONE)))
    assert watched(server, time) == ["Starting", "Running", "Succeeded"]
    assert over.closed


def test_watch_of_a_deleted_job_raises_not_found(time: Time) -> None:
    with pytest.raises(NotFound, match="was deleted while it was watched"):
        watched(answers(yes(RUNNING), events(("DELETED", RUNNING))), time)


def test_watch_notices_another_job_of_its_name(time: Time) -> None:
    other = job(phase="Running", version=9)
    other["metadata"]["uid"] = "another"
    with pytest.raises(NotFound, match="was deleted while it was watched"):
        watched(answers(yes(STARTING), events(), yes(other)), time)


def test_watch_without_a_server_respects_its_timeout(time: Time) -> None:
    with pytest.raises(Unreachable):
        watched(answers(LOST), time, timeout=20)
    assert time.now <= 20


def test_watch_outlasts_an_api_server_restart(time: Time) -> None:
    server = answers(yes(STARTING), events(end=LOST), *[LOST] * 20, yes(DONE))
    assert watched(server, time) == ["Starting", "Succeeded"]


def test_watch_of_an_unfinished_job_times_out(time: Time) -> None:
    def never(_: Any) -> Lines:
        time.now += 5
        return events()

    with pytest.raises(Timeout, match="job is Running after 5 s of waiting; it goes on"):
        watched(answers(yes(RUNNING), never), time, timeout=5)


def test_leaving_a_watch_closes_its_stream(time: Time) -> None:
    seen = events(("MODIFIED", RUNNING), ("MODIFIED", DONE))
    following = stream(watch.watch(calls(time), "job", None), answers(yes(STARTING), seen))
    assert [next(following).state, next(following).state] == ["Starting", "Running"]
    following.close()  # type: ignore[attr-defined]
    assert seen.closed


def test_wait_returns_when_the_job_finishes(time: Time) -> None:
    seen = events(("MODIFIED", RUNNING), ("MODIFIED", DONE))
    assert waited(answers(yes(STARTING), seen), time).state == "Succeeded"


def test_wait_returns_in_the_wanted_state(time: Time) -> None:
    seen = events(("MODIFIED", RUNNING), ("MODIFIED", DONE))
    assert waited(answers(yes(STARTING), seen), time, state="Running").state == "Running"
    assert seen.closed


def test_wait_returns_when_the_state_becomes_impossible(time: Time) -> None:
    assert waited(answers(yes(DONE)), time, state="Running").state == "Succeeded"


def test_wait_for_an_unknown_state_is_refused(time: Time) -> None:
    with pytest.raises(InvalidConfig, match="must be one of Pending, Queued, "):
        waited(answers(yes(DONE)), time, state="Done")


def logged(server: Script, time: Time, rank: int = 0, **how: Any) -> list[str]:
    return list(stream(watch.logs(calls(time), "job", rank, **how), server))


def test_log_lines_of_a_rank_are_emitted(time: Time) -> None:
    server = answers(yes(RUNNING), Lines([b"epoch 1\n", b"loss \xff\n", b"no end"]))
    assert logged(server, time, 3, tail=10) == ["epoch 1", "loss \ufffd", "no end"]
    assert server.requests[1].path == "/api/v1/namespaces/team/pods/job-1-3/log"
    assert server.requests[1].query["tailLines"] == "10"


def test_log_of_an_earlier_attempt_is_read(time: Time) -> None:
    server = answers(yes(job(phase="Running", attempt=4)), Lines([]))
    assert logged(server, time, attempt=2) == []
    assert server.requests[1].path.endswith("/job-2-0/log")


def test_broken_log_raises_unreachable(time: Time) -> None:
    server = answers(yes(RUNNING), Lines([b"epoch 1\n"], end=LOST))
    with pytest.raises(Unreachable, match="read it again"):
        logged(server, time)


def test_log_of_an_unknown_rank_is_refused(time: Time) -> None:
    with pytest.raises(InvalidConfig, match="must be 0 to 4999"):
        logged(answers(yes(RUNNING)), time, 5000)


def test_log_without_a_pod_explains_why(time: Time) -> None:
    gone = no(404, "not found", details={"name": "job-1-0"})
    with pytest.raises(NotFound, match="no pod job-1-0: team/job is Starting, in attempt 1"):
        logged(answers(yes(STARTING), gone), time)


def test_log_of_a_waiting_container_raises_refused(time: Time) -> None:
    waits = no(400, 'container "worker" in pod "job-1-0" is waiting to start')
    with pytest.raises(Refused, match="is waiting to start"):
        logged(answers(yes(STARTING), waits), time)
