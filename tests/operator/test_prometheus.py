"""A real Prometheus scrapes the real operator.

Every query of the dashboard returns data, every alert can be evaluated, and the commands in the
alerts find the job.
"""

import math
import shlex
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from stargate_generate import dashboard
from stargate_lab.cluster import installation
from stargate_lab.process.operator_process import OperatorProcess
from stargate_lab.process.prometheus_process import Prometheus, Target, running
from tests.kit.racks import Racks
from tests.kit.rules import alerts, commands, rule_file
from tests.kit.story import Story, eventually
from tests.kit.worker import reporting

WINDOW = "15s"
ANSWERED_WITHIN = 40.0
RULES = rule_file()


@pytest.fixture
def server(operator: OperatorProcess, tmp_path: Path) -> Iterator[Prometheus]:
    targets = [Target("operator", operator.ports.probes)]
    with running(Prometheus(tmp_path / "prometheus", targets, yaml.safe_dump(RULES))) as server:
        eventually(lambda: server.query("stargate_leader"), "a first scrape")
        yield server


def unanswered(server: Prometheus) -> list[str]:
    """Queries that return no series with a number."""
    return [
        f"{title}: {expression}"
        for title, expression in dashboard.expressions()
        if not _answers(server, expression.replace("$__rate_interval", WINDOW))
    ]


def _answers(server: Prometheus, expression: str) -> bool:
    return any(not math.isnan(float(series["value"][1])) for series in server.query(expression))


def test_every_dashboard_query_returns_data(story: Story, racks: Racks, server: Prometheus) -> None:
    job = story.apply("trains", acceleratorType=racks.build(nodes=2))
    job.wait_phase("Running")
    with reporting(job.worker()):
        job.oom_kill(1)
        job.wait_phase("Running", attempt=2)
    again = job.worker()
    assert again.saves(5).status == 200
    with reporting(again, job.worker(1), epoch=7):
        until = time.monotonic() + ANSWERED_WITHIN
        while (missing := unanswered(server)) and time.monotonic() < until:
            time.sleep(1)
    assert missing == []
    assert server.value('sum(stargate_jobs{phase="Running"})') >= 1
    assert server.value('sum(stargate_ranks{phase="Running"})') >= 2


def test_every_alert_can_be_evaluated(server: Prometheus) -> None:
    names = set(alerts(RULES))

    def evaluated() -> bool:
        return {rule["health"] for rule in server.alerting_rules()} == {"ok"}

    eventually(evaluated, "each rule evaluated without an error")
    assert {rule["name"] for rule in server.alerting_rules()} == names


@pytest.mark.parametrize("name", sorted(alerts(RULES)))
def test_commands_in_alerts_find_the_job(name: str, story: Story) -> None:
    job = story.apply("suspect")
    job.wait_phase("Running")
    printed = commands(alerts(RULES)[name])
    assert printed
    for command in printed:
        words = [
            {"NAME": job.name, "NAMESPACE": story.namespace}.get(word, word)
            for word in shlex.split(command)[1:]
        ]
        output = installation.kubectl(story.operator.plane, *words)
        if "stargatejob" in command:
            assert "suspect" in output, command
