"""The demo's timeline, verdict and pictures of a job, from statuses alone."""

import io
from typing import Any

import pytest
from rich.console import Console

from stargate_lab.demo.gauges import Gauges, Reading
from stargate_lab.demo.play import Options, log_levels, manifest
from stargate_lab.demo.timeline import Timeline
from stargate_lab.demo.verdict import verdict
from stargate_lab.demo.view import Scene, clock, line, render
from stargate_lab.host.paths import REPO
from stargate_lab.workload.training import Fault
from stargate_types.status import StargateJobStatus

FAULT = Fault(epoch=42, rank=1742)


def status(phase: str, attempt: int = 1, **more: Any) -> StargateJobStatus:
    return StargateJobStatus.model_validate({"phase": phase, "attempt": attempt, **more})


def workers(created: int, scheduled: int = 0, running: int = 0, succeeded: int = 0) -> Any:
    return {
        "desired": 4,
        "created": created,
        "scheduled": scheduled,
        "running": running,
        "succeeded": succeeded,
    }


def failed(rank: int = 2, code: int = 137) -> Any:
    return {
        "number": 1,
        "start": "2026-03-01T12:00:00Z",
        "end": "2026-03-01T12:00:42Z",
        "cause": "Signal",
        "rank": rank,
        "exitCode": code,
        "message": "rank 2 was killed by SIGKILL (exit 137)",
        "worldSize": 4,
    }


def finished(**changes: Any) -> StargateJobStatus:
    promised: dict[str, Any] = {
        "phase": "Succeeded",
        "attempt": 2,
        "restarts": 1,
        "attempts": [failed(rank=2)],
        "workers": workers(4, 4, 0, 4),
        "checkpoints": {"restoredFrom": {"epoch": 40, "uri": "store://40"}},
    }
    return StargateJobStatus.model_validate(promised | changes)


def judged(last: StargateJobStatus) -> list[str]:
    checks = verdict(last, nodes=4, fault=FAULT, checkpoint_interval=5)
    return [check.what for check in checks if not check.kept]


def test_a_job_that_did_as_promised_passes() -> None:
    assert judged(finished()) == []


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({"phase": "Failed"}, "phase"),
        ({"attempt": 3}, "attempt"),
        ({"restarts": 0}, "restarts"),
        ({"workers": workers(4, 4, 1, 3)}, "workers succeeded"),
        ({"checkpoints": None}, "restoredFrom epoch"),
        ({"attempts": [failed(rank=3)]}, "attempt 1 ended by rank"),
        ({"attempts": [failed(code=1)]}, "attempt 1 ended with exit code"),
    ],
)
def test_any_broken_promise_fails(changes: Any, broken: str) -> None:
    assert judged(finished(**changes)) == [broken]


def test_a_status_that_says_nothing_keeps_no_promise() -> None:
    assert len(judged(StargateJobStatus())) == 7


def told() -> Timeline:
    """From apply at 10 through a failure at 30 to the end at 60."""
    timeline = Timeline()
    timeline.note("applied", 10)
    timeline.add_status(status("Starting", workers=workers(2)), 11)
    timeline.add_status(status("Starting", workers=workers(4, 2)), 12)
    timeline.add_status(status("Running", workers=workers(4, 4, 4)), 14)
    timeline.add_event({"event": "killed", "time": 30, "rank": 2, "epoch": 42, "exit_code": 137})
    ended = [failed()]
    timeline.add_status(status("Restarting", 2, attempts=ended, workers=workers(0)), 31)
    timeline.add_status(status("Starting", 2, attempts=ended, workers=workers(0)), 35)
    timeline.add_status(status("Running", 2, attempts=ended, workers=workers(4, 4, 4)), 40)
    timeline.add_event({"event": "exiting", "time": 58, "attempt": 2})
    timeline.add_status(status("Succeeded", 2, attempts=ended, workers=workers(4, 4, 0, 4)), 60)
    return timeline


def test_spans_are_measured_between_observed_events() -> None:
    spans = {span.what: span.seconds for span in told().measured()}

    assert spans["start to all created"] == 2
    assert spans["start to all running"] == 4
    assert spans["failure: kill to the next attempt on record"] == 1
    assert spans["failure: kill to the old gang gone"] == 5
    assert spans["restart: kill to all running"] == 10
    assert spans["end: training done to Succeeded"] == 2
    assert spans["job: apply to Succeeded"] == 50


def test_event_that_never_happened_has_no_time() -> None:
    spans = {span.what: span.seconds for span in Timeline().measured()}

    assert set(spans.values()) == {None}


def test_timeline_logs_each_change_once() -> None:
    texts = [entry.text for entry in told().entries]

    assert texts.count("phase Running") == 2
    assert texts.count("rank 2 killed at epoch 42, exit code 137") == 1
    assert sum("killed by SIGKILL" in text for text in texts) == 1


def test_unknown_trainer_event_is_ignored() -> None:
    Timeline().add_event({"event": "hangs", "time": 1})


RUNNING = status(
    "Running",
    2,
    restarts=1,
    attempts=[failed()],
    workers=workers(4, 4, 4),
    progress={"epoch": 60, "epochs": 100, "percent": 60.0, "estimatedRemainingSeconds": 41},
    checkpoints={
        "latest": {
            "epoch": 60,
            "uri": "store://60",
            "time": "2026-03-01T12:00:00Z",
            "state": "Writing",
        },
        "history": [{"epoch": 55, "uri": "u", "time": "2026-03-01T12:00:00Z", "state": "Complete"}],
        "restoredFrom": {"epoch": 40, "uri": "store://40"},
    },
    goodput={"productiveSeconds": 40, "ratio": 0.5},
    energy={"kwh": 12.5, "pue": 1.2},
)


def scene(of: StargateJobStatus = RUNNING) -> Scene:
    gauges = Gauges(Reading(at=9, requests=100), Reading(at=10, nodes=4, requests=150))
    return Scene("job", 4, 0.5, began=0, now=125, status=of, gauges=gauges, doing="the job runs")


def shown(what: Scene) -> str:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(render(what))
    return console.export_text()


@pytest.mark.parametrize(
    "words",
    [
        "2:05",
        "Running  attempt 2, 1 restart, resumed from epoch 40",
        "killed by SIGKILL",
        "60 % · about 0:41 left",
        "latest epoch 60, Writing · acknowledged and kept: 55",
        "50% · productive 40 s",
        "12.5 kWh, estimated",
        "API 50 requests/s",
        "simulated",
        "real",
    ],
)
def test_the_view_shows(words: str) -> None:
    unwrapped = " ".join(shown(scene()).replace("│", "").split())

    assert " ".join(words.split()) in unwrapped


def test_the_view_of_nothing_yet_invents_nothing() -> None:
    text = shown(scene(StargateJobStatus()))

    assert "no job yet" in text
    assert "left" not in text


def test_the_plain_line_says_the_same() -> None:
    said = line(scene())

    assert "2:05  Running, attempt 2, created 4 scheduled 4 running 4 succeeded 0 of 4" in said
    assert "epoch 60 of 100, checkpoint 60 Writing" in said


def test_line_names_the_current_step_without_a_job() -> None:
    assert line(scene(StargateJobStatus())) == "2:05  the job runs, 4 nodes"


def test_a_rate_needs_two_readings() -> None:
    assert Gauges().after(Reading(at=5, requests=7)).rate(lambda r: r.requests) == 0


def test_restarted_counter_has_no_negative_rate() -> None:
    gauges = Gauges(Reading(at=1, requests=7), Reading(at=2, requests=1))

    assert gauges.rate(lambda r: r.requests) == 0


@pytest.mark.parametrize(("seconds", "shown"), [(0, "0:00"), (61.4, "1:01"), (600, "10:00")])
def test_a_clock(seconds: float, shown: str) -> None:
    assert clock(seconds) == shown


def test_quick_demo_changes_only_the_number_of_nodes() -> None:
    article = (REPO / "examples" / "stargate-materia-v3.yaml").read_text()

    assert manifest(article, 200) == article.replace("nodes: 5000", "nodes: 200")
    assert "nodes: 200\n" in manifest(article, 200)


def test_epochs_of_a_large_gang_are_longer() -> None:
    assert Options(nodes=5000).behaviour.epoch_seconds > Options(nodes=200).behaviour.epoch_seconds


def test_log_lines_are_counted_by_severity() -> None:
    log = '{"level": "info"}\n{"level": "error"}\nTraceback\n{"level": "error"}\n'

    assert log_levels(log)["error"] == 2
