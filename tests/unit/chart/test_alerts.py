"""Each alert with its shipped threshold: quiet before its cause, firing after, by promtool's clock."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from stargate_lab.cluster.chart import CHART
from stargate_lab.toolchain import prometheus

RULES = CHART / "files" / "alerts.yaml"
SHIPPED = {
    rule["alert"]: rule
    for group in yaml.safe_load(RULES.read_text())["groups"]
    for rule in group["rules"]
}


@dataclass(frozen=True)
class Course:
    """The values of one series, one a minute; a quiet moment, and a moment when the alert fires."""

    series: str
    values: str
    quiet: str
    alarm: str


COURSES = {
    # The oldest start grows by a minute a minute; a threshold of 900 s, then one minute's patience.
    "StargateGangStuck": Course(
        'stargate_oldest_wait_seconds{phase="Starting"}', "0+60x30", "15m", "17m"
    ),
    "StargateJobQueuedLong": Course(
        'stargate_oldest_wait_seconds{phase="Queued"}', "0+600x60", "36m", "38m"
    ),
    "StargateJobKeepsFailing": Course(
        "stargate_most_failures_since_checkpoint", "0 1 2 3 4 5", "3m", "4m"
    ),
    "StargateRestartStorm": Course(
        'stargate_attempts_ended_total{cause="NodeLost"}', "0x20 20x5 40x5", "24m", "28m"
    ),
    "StargateCheckpointOverdue": Course(
        "stargate_oldest_checkpoint_intervals", "1x10 4x20", "15m", "17m"
    ),
    "StargateCheckpointOld": Course(
        "stargate_oldest_checkpoint_seconds", "13800+300x20", "5m", "9m"
    ),
    "StargateNoLeader": Course("stargate_leader", "1x10 0x10", "12m", "14m"),
    "StargateOperatorRestarts": Course("stargate_start_time_seconds", "1 1 2 3 4 4", "3m", "4m"),
    "StargateWatchSilent": Course(
        'stargate_watch_age_seconds{watch="pods"}', "60 120 130 140", "1m", "2m"
    ),
    "StargateInstallIncomplete": Course("stargate_namespaces_refused", "0x5 1x20", "8m", "12m"),
    "StargateApiThrottled": Course("stargate_api_throttled_total", "0x10 0+60x30", "18m", "25m"),
}


def promtool(*arguments: str) -> str:
    program = prometheus.ensure()["promtool"]
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_accepts_the_rules() -> None:
    assert f"{len(SHIPPED)} rules found" in promtool("check", "rules", str(RULES))


def test_every_alert_has_a_test_course() -> None:
    assert COURSES.keys() == SHIPPED.keys()


@pytest.mark.parametrize("name", COURSES)
def test_alert_fires_only_after_its_cause(name: str, tmp_path: Path) -> None:
    course = COURSES[name]
    firing = f'count(ALERTS{{alertname="{name}", alertstate="firing"}}) or vector(0)'
    expected = [
        {"expr": firing, "eval_time": when, "exp_samples": [{"labels": "{}", "value": value}]}
        for when, value in ((course.quiet, 0), (course.alarm, 1))
    ]
    told = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": course.series, "values": course.values}],
                "promql_expr_test": expected,
            }
        ],
    }
    file = tmp_path / "test.yaml"
    file.write_text(yaml.safe_dump(told))
    promtool("test", "rules", str(file))


@pytest.mark.parametrize("name", SHIPPED)
def test_alert_names_problem_action_and_severity(name: str) -> None:
    rule = SHIPPED[name]
    assert rule["labels"]["severity"] in ("info", "warning", "critical")
    assert rule["annotations"]["summary"].endswith(".")
    assert "`kubectl " in rule["annotations"]["description"]


@pytest.mark.parametrize("name", SHIPPED)
def test_alert_expression_ends_in_its_threshold(name: str) -> None:
    *_, comparison, threshold = SHIPPED[name]["expr"].split()
    assert comparison in ("<", ">")
    float(threshold)
