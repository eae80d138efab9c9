"""A Prometheus for one test: it scrapes replicas of the operator and evaluates the chart's rules.

It scrapes often, and keeps nothing when it stops.
"""

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from stargate_lab.host.output import tail
from stargate_lab.host.ports import free_ports
from stargate_lab.host.waiting import wait_until
from stargate_lab.toolchain import prometheus

Json = dict[str, Any]

READY_SECONDS = 30.0
INTERVAL = "500ms"


@dataclass(frozen=True)
class Target:
    """A replica to scrape: `instance` is the label of its series, also after restarts."""

    instance: str
    port: int


@dataclass
class Prometheus:
    """`rules` is the text of a rule file."""

    directory: Path
    targets: Sequence[Target]
    rules: str = ""
    port: int = field(default_factory=lambda: free_ports(1)[0])
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    def start(self) -> None:
        program = prometheus.ensure()["prometheus"]
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "rules.yaml").write_text(self.rules or "groups: []\n")
        config = self.directory / "prometheus.yaml"
        config.write_text(yaml.safe_dump(self._config))
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    program,
                    f"--config.file={config}",
                    f"--storage.tsdb.path={self.directory / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._wait_ready()

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @property
    def log(self) -> Path:
        return self.directory / "prometheus.log"

    def query(self, expression: str) -> list[Json]:
        """The series of an instant vector. A refused expression raises an error."""
        found = self._get("/api/v1/query", query=expression)
        return list(found["result"])

    def value(self, expression: str) -> float:
        """The value of the only series; NaN if there is none."""
        found = self.query(expression)
        return float(found[0]["value"][1]) if found else float("nan")

    def firing(self) -> dict[str, Json]:
        """The alerts that fire, by name."""
        alerts = self._get("/api/v1/alerts")["alerts"]
        return {each["labels"]["alertname"]: each for each in alerts if each["state"] == "firing"}

    def alerting_rules(self) -> list[Json]:
        """The alerting rules, with their health at the last evaluation."""
        groups = self._get("/api/v1/rules", type="alert")["groups"]
        return [rule for group in groups for rule in group["rules"]]

    @property
    def _config(self) -> Json:
        return {
            "global": {"scrape_interval": INTERVAL, "evaluation_interval": INTERVAL},
            "rule_files": [str(self.directory / "rules.yaml")],
            "scrape_configs": [
                {
                    "job_name": "stargate-operator-metrics",
                    "static_configs": [
                        {
                            "targets": [f"127.0.0.1:{target.port}"],
                            "labels": {"instance": target.instance},
                        }
                        for target in self.targets
                    ],
                }
            ],
        }

    def _get(self, path: str, **query: str) -> Any:
        url = f"http://127.0.0.1:{self.port}{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as refusal:
            with refusal:
                said = json.load(refusal).get("error", "")
            raise prometheus.PrometheusError(f"{query}: {said}") from refusal

    def _wait_ready(self) -> None:
        wait_until(lambda: self._is_ready() or self._has_ended, READY_SECONDS)
        if not self._is_ready():
            raise prometheus.PrometheusError(f"not ready:\n{tail(self.log.read_text())}")

    @property
    def _has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _is_ready(self) -> bool:
        try:
            url = f"http://127.0.0.1:{self.port}/-/ready"
            with urllib.request.urlopen(url, timeout=5) as answer:
                return int(answer.status) == 200
        except OSError:
            return False


@contextmanager
def running(server: Prometheus) -> Iterator[Prometheus]:
    try:
        server.start()
        yield server
    finally:
        server.stop()
