"""Watching, waiting and reading logs: on one's own, and through what befalls a watch."""

from typing import Any

import pytest

from stargate_api import InvalidConfig, JobStatus, NotFound, Refused, Timeout, Unreachable
from stargate_api import following as follow
from stargate_api.exchange import settle, stream
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
    return [each.state for each in stream(follow.watch(calls(time), "job", timeout), server)]


def waited(server: Script, time: Time, **how: Any) -> JobStatus:
    call = follow.wait(calls(time), "job", how.get("state"), how.get("timeout"))
    return settle(call, server)


def test_a_watch_ends_with_the_job(time: Time) -> None:
    seen = events(("MODIFIED", RUNNING), ("MODIFIED", DONE), ("MODIFIED", RUNNING))
    server = answers(yes(STARTING), seen)
    assert watched(server, time) == ["Starting", "Running", "Succeeded"]
    assert server.requests[1].query["fieldSelector"] == "metadata.name=job"
    assert server.requests[1].query["resourceVersion"] == "1"
    assert seen.closed


def test_a_finished_job_is_not_watched(time: Time) -> None:
    server = answers(yes(DONE))
    assert watched(server, time) == ["Succeeded"]
    assert len(server.requests) == 1


def test_a_change_of_metadata_alone_is_no_news(time: Time) -> None:
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
def test_a_watch_that_is_over_goes_on_from_a_fresh_read(time: Time, over: Lines) -> None:
    server = answers(yes(STARTING), over, yes(RUNNING), events(("MODIFIED", DONE)))
    assert watched(server, time) == ["Starting", "Running", "Succeeded"]
    assert over.closed


def test_a_job_deleted_meanwhile_is_told(time: Time) -> None:
    with pytest.raises(NotFound, match="was deleted while it was watched"):
        watched(answers(yes(RUNNING), events(("DELETED", RUNNING))), time)


def test_another_job_of_its_name_is_not_this_one(time: Time) -> None:
    other = job(phase="Running", version=9)
    other["metadata"]["uid"] = "another"
    with pytest.raises(NotFound, match="was deleted while it was watched"):
        watched(answers(yes(STARTING), events(), yes(other)), time)


def test_a_watch_with_a_time_does_not_outlast_it(time: Time) -> None:
    with pytest.raises(Unreachable):
        watched(answers(LOST), time, timeout=20)
    assert time.now <= 20


def test_a_watch_outlasts_a_restart_of_the_api_server(time: Time) -> None:
    server = answers(yes(STARTING), events(end=LOST), *[LOST] * 20, yes(DONE))
    assert watched(server, time) == ["Starting", "Succeeded"]


def test_a_watch_has_its_time(time: Time) -> None:
    def never(_: Any) -> Lines:
        time.now += 5
        return events()

    with pytest.raises(Timeout, match="job is Running after 5 s of waiting; it goes on"):
        watched(answers(yes(RUNNING), never), time, timeout=5)


def test_who_leaves_a_watch_closes_it(time: Time) -> None:
    seen = events(("MODIFIED", RUNNING), ("MODIFIED", DONE))
    following = stream(follow.watch(calls(time), "job", None), answers(yes(STARTING), seen))
    assert [next(following).state, next(following).state] == ["Starting", "Running"]
    following.close()  # type: ignore[attr-defined]
    assert seen.closed


def test_waiting_is_until_the_end(time: Time) -> None:
    seen = events(("MODIFIED", RUNNING), ("MODIFIED", DONE))
    assert waited(answers(yes(STARTING), seen), time).state == "Succeeded"


def test_or_until_a_state(time: Time) -> None:
    seen = events(("MODIFIED", RUNNING), ("MODIFIED", DONE))
    assert waited(answers(yes(STARTING), seen), time, state="Running").state == "Running"
    assert seen.closed


def test_or_until_it_can_never_be_in_that_state(time: Time) -> None:
    assert waited(answers(yes(DONE)), time, state="Running").state == "Succeeded"


def test_a_state_that_does_not_exist_is_told(time: Time) -> None:
    with pytest.raises(InvalidConfig, match="must be one of Pending, Queued, "):
        waited(answers(yes(DONE)), time, state="Done")


def logged(server: Script, time: Time, rank: int = 0, **how: Any) -> list[str]:
    return list(stream(follow.logs(calls(time), "job", rank, **how), server))


def test_the_log_of_a_rank(time: Time) -> None:
    server = answers(yes(RUNNING), Lines([b"epoch 1\n", b"loss \xff\n", b"no end"]))
    assert logged(server, time, 3, tail=10) == ["epoch 1", "loss \ufffd", "no end"]
    assert server.requests[1].path == "/api/v1/namespaces/team/pods/job-1-3/log"
    assert server.requests[1].query["tailLines"] == "10"


def test_the_log_of_an_earlier_attempt(time: Time) -> None:
    server = answers(yes(job(phase="Running", attempt=4)), Lines([]))
    assert logged(server, time, attempt=2) == []
    assert server.requests[1].path.endswith("/job-2-0/log")


def test_a_log_that_breaks_off_is_told(time: Time) -> None:
    server = answers(yes(RUNNING), Lines([b"epoch 1\n"], end=LOST))
    with pytest.raises(Unreachable, match="may be read again"):
        logged(server, time)


def test_a_rank_that_the_job_has_not_is_told(time: Time) -> None:
    with pytest.raises(InvalidConfig, match="must be 0 to 4999"):
        logged(answers(yes(RUNNING)), time, 5000)


def test_a_rank_without_a_pod_is_told_why(time: Time) -> None:
    gone = no(404, "not found", details={"name": "job-1-0"})
    with pytest.raises(NotFound, match="no pod job-1-0: team/job is Starting, in attempt 1"):
        logged(answers(yes(STARTING), gone), time)


def test_a_container_that_waits_is_told_in_the_server_s_words(time: Time) -> None:
    waits = no(400, 'container "worker" in pod "job-1-0" is waiting to start')
    with pytest.raises(Refused, match="is waiting to start"):
        logged(answers(yes(STARTING), waits), time)
