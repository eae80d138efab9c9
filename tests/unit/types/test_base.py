"""Reading and writing resources of any kind: times, quantities, unknown fields."""

from datetime import datetime, timedelta, timezone

from stargate_types import AcceleratorClassSpec, StargateJobStatus
from stargate_types.status import Progress
from stargate_types.worker_template import WorkerTemplate

FIVE_PAST_IN_TOKYO = datetime(2026, 1, 2, 9, 5, 0, 42, tzinfo=timezone(timedelta(hours=9)))


def test_time_is_written_in_utc_seconds() -> None:
    status = StargateJobStatus(start_time=FIVE_PAST_IN_TOKYO)
    assert status.model_dump(by_alias=True)["startTime"] == "2026-01-02T00:05:00Z"


def test_micro_time_keeps_microseconds() -> None:
    progress = Progress(epoch=1, epochs=2, percent=50, last_report_time=FIVE_PAST_IN_TOKYO)
    written = progress.model_dump(by_alias=True)
    assert written["lastReportTime"] == "2026-01-02T00:05:00.000042Z"
    assert Progress.model_validate(written) == progress


def test_quantity_may_be_a_number() -> None:
    assert WorkerTemplate.model_validate({"cpu": 4}).cpu == "4"


def test_unknown_field_is_ignored() -> None:
    spec = {"acceleratorType": "a", "resourceName": "a.dev/b", "liquidCooled": True}
    assert AcceleratorClassSpec.model_validate(spec).accelerator_type == "a"
