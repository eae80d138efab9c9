"""The counters of a status write, and the gauges that only the leader sets."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress

import pytest

from stargate_operator.model.reports import Reports
from stargate_operator.telemetry import gauges, metrics, status_counters
from stargate_operator.telemetry.gauges import Sources
from stargate_operator.telemetry.survey import Survey
from stargate_types import StargateJob
from stargate_types.accounting import Goodput
from stargate_types.status import Progress
from tests.kit.builders import NOW, at, job

LOST = "stargate_lost_rank_seconds_total"
REGAINED = "stargate_regained_rank_seconds_total"
LAG = "stargate_report_lag_seconds"


def sources(*jobs: StargateJob, leads: bool) -> Sources:
    return Sources(
        jobs=jobs,
        reports_of=lambda _: Reports(),
        leads=lambda: leads,
        watch_ages=lambda: {"pods": 3.0},
        queues={"events": lambda: 7},
        pods=lambda: 4,
        foreign_pods=lambda: 0,
        concurrency=lambda: 32,
        clock=lambda: NOW,
    )


async def looked(found: Sources) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(0.05):
            await gauges.keep_gauges(found)


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(gauges, "_GAUGE_SECONDS", 0.01)
    gauges.jobs_surveyed(Survey())
    yield
    gauges.jobs_surveyed(Survey())


async def test_leader_reports_jobs_and_rank_seconds() -> None:
    before = metrics.value("stargate_rank_seconds_total", {"phase": "Running"})
    await looked(sources(job(nodes=4).running(), leads=True))
    assert metrics.value("stargate_jobs", {"phase": "Running"}) == 1
    spent = metrics.value("stargate_rank_seconds_total", {"phase": "Running"}) - before
    assert 0.01 < spent < 4


async def test_standby_reports_only_its_process() -> None:
    before = metrics.value("stargate_rank_seconds_total", {"phase": "Running"})
    await looked(sources(job(nodes=4).running(), leads=False))
    assert metrics.value("stargate_jobs", {"phase": "Running"}) == 0
    assert metrics.value("stargate_oldest_checkpoint_seconds") == 0
    assert metrics.value("stargate_rank_seconds_total", {"phase": "Running"}) == before
    assert metrics.value("stargate_watch_age_seconds", {"watch": "pods"}) == 3
    assert metrics.value("stargate_queue_depth", {"queue": "events"}) == 7


def test_lost_and_regained_training_are_counted_by_rank() -> None:
    lost, regained = metrics.value(LOST), metrics.value(REGAINED)
    ran = job(nodes=4).running().status
    failed = ran.model_copy(update={"goodput": Goodput(lost_seconds=30)})
    saved = ran.model_copy(update={"goodput": Goodput(lost_seconds=10)})
    status_counters.count(ran, failed, NOW)
    status_counters.count(failed, saved, NOW)
    assert metrics.value(LOST) - lost == 120
    assert metrics.value(REGAINED) - regained == 80


def test_report_lag_counts_once_when_written() -> None:
    def told(seconds: float) -> Progress:
        return Progress(epoch=3, epochs=9, percent=33.3, last_report_time=at(seconds))

    before = job().running().status
    after = before.model_copy(update={"progress": told(-1.5)})
    count, total = metrics.value(f"{LAG}_count"), metrics.value(f"{LAG}_sum")
    status_counters.count(before, after, NOW)
    status_counters.count(after, after.model_copy(), NOW)
    assert metrics.value(f"{LAG}_count") - count == 1
    assert metrics.value(f"{LAG}_sum") - total == pytest.approx(1.5)
