"""An API server with one seat for the operator: it answers most concurrent writes with 429.

The operator lowers its concurrency. The gang still starts, and the status shows no error condition.
"""

import pytest

from tests.kit.racks import Racks
from tests.kit.story import Story, eventually

CEILING = 32


@pytest.mark.usefixtures("few_seats")
def test_gang_starts_on_api_server_that_answers_429(story: Story, racks: Racks) -> None:
    operator, many = story.operator, 100
    pid, before = operator.pid, operator.metric("stargate_api_throttled_total")
    rack = racks.build(nodes=many)

    with story.recorder.interrupted():  # the status write also waits for a seat, so it may be late
        job = story.apply("job", many, acceleratorType=rack)
        running = job.wait_phase("Running", seconds=60)

    assert running.attempt == 1
    assert operator.pid == pid
    assert operator.metric("stargate_api_throttled_total") > before
    eventually(
        lambda: operator.metric("stargate_api_concurrency_limit") < CEILING,
        "a lower concurrency limit",
    )
    reasons = {c["reason"] for j in job.history for c in j.status.get("conditions") or []}
    assert not reasons & {"PodsRefused", "ApiServerUnreachable"}
    job.delete()
    job.wait_gone()
