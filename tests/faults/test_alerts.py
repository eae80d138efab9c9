"""Each alert fires on its cause, in a real Prometheus that scrapes the operator.

The tests shorten the alerts' times and thresholds by chart values. promtool tests the shipped thresholds
with a simulated clock (tests/unit/chart).
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from stargate_lab.cluster import installation
from stargate_lab.host.paths import REPO
from stargate_lab.process.operator_process import OperatorProcess
from stargate_lab.process.prometheus_process import Prometheus, Target, running
from tests.faults.lab import PATIENT, Lab
from tests.faults.tap import Tap
from tests.kit.racks import Racks
from tests.kit.rules import Overrides, alerts, rule_file
from tests.kit.story import JobStory, Story, eventually
from tests.kit.worker import reporting

AT_ONCE = "0s"
IMPATIENT: Overrides = {
    "StargateGangStuck": {"threshold": 5, "for": AT_ONCE},
    "StargateJobQueuedLong": {"threshold": 5, "for": AT_ONCE},
    "StargateJobKeepsFailing": {"threshold": 1},
    "StargateRestartStorm": {"threshold": 3},
    "StargateCheckpointOverdue": {"for": AT_ONCE},
    "StargateCheckpointOld": {"threshold": 10, "for": AT_ONCE},
    "StargateNoLeader": {"for": AT_ONCE},
    "StargateOperatorRestarts": {"threshold": 0},
    "StargateWatchSilent": {"threshold": 75},
    "StargateApiThrottled": {"threshold": 0.02, "for": AT_ONCE},
    "StargateInstallIncomplete": {"for": AT_ONCE},
}
RULES = yaml.safe_dump(rule_file(IMPATIENT))
CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/computeblocks.stargate.dev"
PATIENCE = 40.0
SILENT_WITHIN = 110.0
"""Seconds. Bookmarks arrive every minute, so only a fault explains 75 s of silence."""


@contextmanager
def watching(operator: OperatorProcess, directory: Path) -> Iterator[Prometheus]:
    """A Prometheus that has scraped a leading operator once."""
    eventually(lambda: operator.metric("stargate_leader") == 1, "a leader")
    targets = [Target("operator", operator.ports.probes)]
    with running(Prometheus(directory / "prometheus", targets, RULES)) as server:
        eventually(lambda: server.query("stargate_leader == 1"), "a first scrape")
        yield server


@pytest.fixture
def prometheus(operator: OperatorProcess, tmp_path: Path) -> Iterator[Prometheus]:
    with watching(operator, tmp_path) as server:
        yield server


@pytest.fixture
def defaults(tmp_path: Path) -> Path:
    """An empty folder for the defaults of an install."""
    folder = tmp_path / "defaults"
    folder.mkdir()
    return folder


@pytest.fixture
def mortal(lab: Lab, defaults: Path) -> Iterator[OperatorProcess]:
    """The test's own operator, the only one that runs. The teardown restores what the test deleted."""
    lab.operator.stop()
    settings = {**PATIENT, "STARGATE_DEFAULTS_DIRECTORY": str(defaults)}
    operator = lab.another_operator("mortal", settings)
    operator.start()
    yield operator
    operator.stop()
    installation.install(lab.plane)
    installation.apply(lab.plane, REPO / "examples" / "catalog.yaml")


def fires(server: Prometheus, alert: str, seconds: float = PATIENCE) -> None:
    eventually(lambda: alert in server.firing(), f"{alert} to fire", seconds)
    assert "error expanding" not in server.firing()[alert]["annotations"]["description"]


def is_quiet(server: Prometheus, *names: str) -> None:
    """Check that the alerts do not fire on the data scraped until now."""
    began = datetime.now(UTC)

    def evaluated() -> bool:
        times = [rule["lastEvaluation"] for rule in server.alerting_rules()]
        return all(datetime.fromisoformat(text) > began for text in times)

    eventually(evaluated, "an evaluation")
    assert not server.firing().keys() & set(names)


def fails_twice(job: JobStory) -> None:
    for attempt in (1, 2):
        job.wait_phase("Running", attempt, seconds=PATIENCE)
        job.kill(0, 1)
    job.wait(lambda now: now.attempt == 3, "attempt 3")


def test_partly_scheduled_gang_fires_gang_stuck_alert(
    story: Story, racks: Racks, prometheus: Prometheus
) -> None:
    is_quiet(prometheus, "StargateGangStuck")
    job = story.apply("stuck", 2, acceleratorType=racks.build(nodes=1))
    job.wait_phase("Starting")
    fires(prometheus, "StargateGangStuck")


def test_gang_without_nodes_fires_queued_long_alert(
    story: Story, racks: Racks, prometheus: Prometheus
) -> None:
    is_quiet(prometheus, "StargateJobQueuedLong")
    job = story.apply("queued", 2, acceleratorType=racks.build(nodes=0))
    job.wait_phase("Queued")
    fires(prometheus, "StargateJobQueuedLong")
    assert "StargateGangStuck" not in prometheus.firing()


def test_repeated_failures_fire_failure_alerts(
    story: Story, racks: Racks, prometheus: Prometheus
) -> None:
    is_quiet(prometheus, "StargateJobKeepsFailing", "StargateRestartStorm")
    rack = racks.build(nodes=2)
    fails_twice(story.apply("first", 1, acceleratorType=rack))
    fires(prometheus, "StargateJobKeepsFailing")
    assert "StargateRestartStorm" not in prometheus.firing()

    fails_twice(story.apply("second", 1, acceleratorType=rack))
    fires(prometheus, "StargateRestartStorm")


def test_training_without_checkpoints_fires_checkpoint_alerts(
    story: Story, racks: Racks, prometheus: Prometheus
) -> None:
    job = story.apply("forgetful", 1, acceleratorType=racks.build(nodes=1))
    job.wait_phase("Running")
    worker = job.worker()
    assert worker.saves(5).status == 200
    is_quiet(prometheus, "StargateCheckpointOverdue", "StargateCheckpointOld")
    for epoch in range(6, 12):
        worker.trains_to(epoch)
        time.sleep(0.2)

    with reporting(worker, epoch=12):
        fires(prometheus, "StargateCheckpointOverdue")
        fires(prometheus, "StargateCheckpointOld")

    assert worker.saves(15).status == 200
    eventually(
        lambda: not prometheus.firing().keys() & {"StargateCheckpointOld"},
        "the end of StargateCheckpointOld",
        15,
    )


def test_stopped_operator_fires_no_leader_alert(
    operator: OperatorProcess, prometheus: Prometheus
) -> None:
    is_quiet(prometheus, "StargateNoLeader")
    operator.stop()
    fires(prometheus, "StargateNoLeader")
    operator.start()
    eventually(lambda: "StargateNoLeader" not in prometheus.firing(), "the end of the alert")


def test_dead_watcher_fires_operator_restarts_alert(
    lab: Lab, mortal: OperatorProcess, tmp_path: Path
) -> None:
    with watching(mortal, tmp_path) as prometheus:
        is_quiet(prometheus, "StargateOperatorRestarts", "StargateNoLeader")
        lab.plane.api.delete(CRD)
        eventually(lambda: not mortal.pid, "the end of the operator", PATIENCE)
        assert "computeblocks watcher is dead" in mortal.log_tail()
        fires(prometheus, "StargateNoLeader")

        installation.install(lab.plane)
        mortal.start()  # as the kubelet does
        fires(prometheus, "StargateOperatorRestarts")


def test_silent_watch_fires_alert_while_operator_is_live(
    operator: OperatorProcess, tap: Tap, prometheus: Prometheus
) -> None:
    is_quiet(prometheus, "StargateWatchSilent")
    tap.swallows_watches = True
    fires(prometheus, "StargateWatchSilent", SILENT_WITHIN)
    assert operator.is_live(), "the alert fires before the watchdog ends the operator"


@pytest.mark.usefixtures("few_seats")
def test_throttling_api_server_fires_alert(
    story: Story, racks: Racks, prometheus: Prometheus
) -> None:
    is_quiet(prometheus, "StargateApiThrottled")
    with story.recorder.interrupted():
        job = story.apply("many", 100, acceleratorType=racks.build(nodes=100))
        fires(prometheus, "StargateApiThrottled")
        job.wait_phase("Running", seconds=60)


def test_refused_default_fires_install_incomplete_alert(
    mortal: OperatorProcess, defaults: Path, tmp_path: Path
) -> None:
    refused = {
        "apiVersion": "stargate.dev/v1alpha1",
        "kind": "AcceleratorClass",
        "metadata": {"name": "nameless"},
        "spec": {"acceleratorType": ""},
    }
    with watching(mortal, tmp_path) as prometheus:
        is_quiet(prometheus, "StargateInstallIncomplete")
        (defaults / "class.yaml").write_text(yaml.safe_dump(refused))
        fires(prometheus, "StargateInstallIncomplete")


def test_every_alert_has_a_test_that_fires_it() -> None:
    source = Path(__file__).read_text()
    assert IMPATIENT.keys() == alerts(rule_file()).keys()
    assert [alert for alert in IMPATIENT if f'fires(prometheus, "{alert}"' not in source] == []


def test_standby_does_not_count_jobs_again(
    lab: Lab, story: Story, racks: Racks, tmp_path: Path
) -> None:
    leader, standby = story.operator, lab.another_operator("standby", {})
    job = story.apply("one", 3, acceleratorType=racks.build(nodes=3))
    job.wait_phase("Running")
    standby.start()
    targets = [Target("leader", leader.ports.probes), Target("standby", standby.ports.probes)]
    try:
        with running(Prometheus(tmp_path / "both", targets)) as server:
            eventually(lambda: server.value("count(stargate_start_time_seconds)") == 2, "both")
            eventually(lambda: server.value("sum(stargate_jobs)") == 1, "the job", 15)
            time.sleep(6)  # both operators refresh their gauges in this time
            assert server.value("sum(stargate_jobs)") == 1
            assert server.value('sum(stargate_ranks{phase="Running"})') == 3
            assert server.value("sum(stargate_leader)") == 1
            seen = server.query('stargate_informer_pods{instance="standby"} >= 3')
            assert seen, "the standby's informers know the gang"
    finally:
        standby.stop()
