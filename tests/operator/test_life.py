"""The life of a job: its phases, and the writes, events and log lines that it causes."""

import json
from collections import Counter

from tests.kit.story import Story, eventually


def test_job_starts_runs_and_succeeds(story: Story) -> None:
    job = story.apply(nodes=3)

    job.wait_phase("Running")
    job.finish()
    done = job.wait_phase("Succeeded")

    assert job.phases == ["Starting", "Running", "Succeeded"]
    assert done.workers["succeeded"] == 3
    assert (done.attempt, done.restarts) == (1, 0)
    assert done.attempts[0]["cause"] == "Succeeded"
    assert done.status["startTime"] <= done.status["completionTime"]
    story.recorder.assert_quiet(2)


def test_gang_costs_one_write_per_pod(story: Story) -> None:
    job = story.apply(nodes=20)
    job.wait_phase("Running")
    story.recorder.catch_up()

    requests = Counter((r.verb, r.resource) for r in story.recorder.requests() if r.writes)

    assert requests["create", "pods"] == 20
    assert requests["create", "services"] == 1
    assert not requests["delete", "pods"]
    assert requests["update", "stargatejobs/status"] <= 5


def test_events_appear_once_and_hold_no_logs(story: Story) -> None:
    job = story.apply(nodes=2)
    job.wait_phase("Running")
    job.kill(1, 1, message="loss is NaN in layer 7")
    job.wait_phase("Running", attempt=2)
    job.finish()
    job.wait_phase("Succeeded")

    def recorded() -> list[tuple[str, str]]:
        return [(event["reason"], event["message"]) for event in job.events()]

    eventually(lambda: "Succeeded" in dict(recorded()), "the event of the end")
    events = recorded()
    assert [reason for reason, _ in events] == [
        "GangStarting",
        "GangRunning",
        "AttemptEnded",
        "Restarting",
        "GangStarting",
        "GangRunning",
        "AttemptEnded",
        "Succeeded",
    ]
    assert len(set(events)) == len(events)
    assert "NaN" not in str(events)
    assert "loss is NaN in layer 7" in job.now.attempts[0]["message"]


def test_log_lines_carry_job_name_and_attempt(story: Story) -> None:
    job = story.apply(nodes=2)
    job.wait_phase("Running")
    job.oom_kill(0)
    job.wait_phase("Running", attempt=2)

    key = f"{story.namespace}/{job.name}"
    lines = [json.loads(line) for line in story.operator.log_path.read_text().splitlines()]
    ours = [line for line in lines if story.namespace in str(line)]

    assert {line.get("job") for line in ours} == {key}
    assert {line.get("attempt") for line in ours} == {1, 2}
