from collections import Counter
from collections.abc import AsyncIterator

import aiohttp
import pytest
from structlog.testing import capture_logs

from stargate_operator.runtime.probes import Probes
from stargate_operator.telemetry import gauges, metrics, status_counters
from stargate_operator.telemetry.survey import Survey
from stargate_types.status import Phase


class Watchdog:
    wrong: str | None = None

    def __call__(self) -> str | None:
        return self.wrong


@pytest.fixture
def watchdog() -> Watchdog:
    return Watchdog()


@pytest.fixture
async def url(watchdog: Watchdog) -> AsyncIterator[str]:
    probes = Probes(liveness=[lambda: None, watchdog], readiness=[lambda: 1 / 0])  # type: ignore[list-item,return-value]
    await probes.start("127.0.0.1", 0)
    yield f"http://127.0.0.1:{probes.port}"
    await probes.close()


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as client, client.get(url) as answer:
        return answer.status, await answer.text()


async def test_liveness_reports_the_problems_of_its_checks(url: str, watchdog: Watchdog) -> None:
    assert await get(f"{url}/healthz") == (200, "ok\n")
    watchdog.wrong = "the watcher of stargatejobs is dead"
    assert await get(f"{url}/healthz") == (503, "the watcher of stargatejobs is dead\n")


async def test_a_start_is_logged_in_two_lines(url: str, watchdog: Watchdog) -> None:
    watchdog.wrong = "the informer of pods is not in sync"
    with capture_logs() as lines:
        for _ in range(40):
            await get(f"{url}/healthz")
        watchdog.wrong = None
        for _ in range(3):
            await get(f"{url}/healthz")

    assert [(line["log_level"], line["event"]) for line in lines] == [
        ("info", "probe does not pass yet"),
        ("info", "probe passes"),
    ]
    assert lines[0]["reasons"] == ["the informer of pods is not in sync"]


async def test_passed_probe_warns_once_when_it_fails(url: str, watchdog: Watchdog) -> None:
    with capture_logs() as lines:
        await get(f"{url}/healthz")
        watchdog.wrong = "the watcher of stargatejobs is dead"
        for _ in range(3):
            await get(f"{url}/healthz")

    assert [line["log_level"] for line in lines] == ["info", "warning"]


async def test_check_that_raises_counts_as_failed(url: str) -> None:
    code, text = await get(f"{url}/readyz")
    assert code == 503
    assert "ZeroDivisionError" in text


async def test_metrics_are_served(url: str) -> None:
    metrics.status_written()
    status_counters.attempt_ended("OOMKilled")
    code, text = await get(f"{url}/metrics")
    assert code == 200
    assert 'stargate_status_writes_total{outcome="written"}' in text
    assert "process_cpu_seconds_total" in text


def test_jobs_are_shown_in_every_phase() -> None:
    gauges.jobs_surveyed(Survey(jobs=Counter({Phase.RUNNING: 3})))
    assert metrics.value("stargate_jobs", {"phase": "Running"}) == 3
    gauges.jobs_surveyed(Survey())
    assert metrics.value("stargate_jobs", {"phase": "Running"}) == 0


def test_metrics_have_few_labels() -> None:
    metrics.api_answered("BREW", 429, 0.1)
    labels = {"verb": "other", "code": "429"}
    assert metrics.value("stargate_api_requests_total", labels) >= 1
    assert metrics.value("stargate_api_throttled_total") >= 1


def test_every_metrics_function_records_a_sample() -> None:
    metrics.pass_done(0.1)
    metrics.status_skipped()
    metrics.status_conflicted()
    metrics.pods_created(2)
    metrics.pods_deleted()
    metrics.event_recorded("Normal")
    metrics.api_concurrency(32)
    metrics.report_turned_away()
    status_counters.gang_started(20)
    status_counters.gang_restarted(59)
    metrics.leading(True)
    metrics.informer_pods(5000)
    metrics.watch_restarted("pods")
    text = metrics.exposition().decode()
    for family in ("gang_start_seconds", "gang_restart_seconds", "watch_restarts_total", "leader"):
        assert f"stargate_{family}" in text
