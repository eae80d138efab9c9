"""Every contender runs the same pods."""

import json
from typing import Any

from bench.workload import GRACE_SECONDS, Batch, Recipe, stargate_job
from stargate_operator.desired.environment import ReportTarget
from tests.kit.builders import accelerator_class, runtime

RECIPE = Recipe(
    runtime=runtime(),
    accelerator=accelerator_class(),
    target=ReportTarget(base_url="https://127.0.0.1:8443", ca_bundle="CA"),
)


def _created(size: int) -> dict[str, Any]:
    job = stargate_job(size)
    return {**job, "metadata": {**job["metadata"], "uid": "job-uid", "resourceVersion": "1"}}


def _pod_of_the_floor() -> dict[str, Any]:
    batch = Batch.of(RECIPE.stamp(_created(4), attempt=2), size=4)
    pod: dict[str, Any] = json.loads(batch.stamp.of_rank(3))
    return pod


def test_the_floor_sends_the_operators_pods() -> None:
    pod = _pod_of_the_floor()
    assert pod["metadata"]["name"] == "gang-2-3"
    assert pod["metadata"]["ownerReferences"][0]["uid"] == "job-uid"
    assert pod["spec"]["terminationGracePeriodSeconds"] == GRACE_SECONDS


def test_the_jobs_pods_differ_in_nothing_that_costs() -> None:
    floor, job = _pod_of_the_floor(), RECIPE.indexed_job(4, attempt=2)
    theirs = job["spec"]["template"]
    del floor["spec"]["hostname"]
    assert floor["spec"].keys() == theirs["spec"].keys()
    assert floor["spec"]["volumes"] == theirs["spec"]["volumes"]
    assert floor["metadata"]["labels"].keys() - theirs["metadata"]["labels"].keys() == {
        "stargate.dev/shard"
    }


def test_the_first_failure_ends_the_job() -> None:
    spec = RECIPE.indexed_job(4, attempt=1)["spec"]
    assert (spec["backoffLimit"], spec["completions"], spec["parallelism"]) == (0, 4, 4)
