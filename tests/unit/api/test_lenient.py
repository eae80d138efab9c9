"""An object with values that this client does not know is read as far as it can be."""

from typing import Any

import pytest

from stargate_api._client.lenient import read_leniently
from stargate_api.job_status import JobStatus
from stargate_types import StargateJob, StargateRuntime
from tests.unit.api.scripted_server import job


def but(**spec: Any) -> dict[str, Any]:
    body = job(phase="Running")
    return {**body, "spec": {**body["spec"], **spec}}


@pytest.mark.parametrize(
    "odd",
    [
        {"modelName": "no\xa0break"},
        {"modelName": "white space "},
        {"datasetPath": "no scheme"},
        {"epochs": "many"},
        {"rendezvous": {"hostnames": "Some"}},
        {"template": {"env": [{"name": "A"}, {"name": "no\xa0break"}, 7]}},
        {"resourceAllocation": {"nodes": 4, "memoryGbPerNode": "all"}},
        {"hang": 7},
    ],
    ids=str,
)
def test_odd_value_keeps_nobody_from_reading_the_rest(odd: dict[str, Any]) -> None:
    found = JobStatus(but(**odd))
    assert (found.state, found.job.spec.accelerator_type) == ("Running", "stargate_silicon_v2")


def test_value_that_cannot_be_read_is_kept() -> None:
    read = read_leniently(StargateJob, but(modelName="no\xa0break"))
    assert (read.spec.model_name, read.spec.epochs) == ("no\xa0break", 100)
    assert read.metadata.name == "job"


def test_missing_field_is_none() -> None:
    body = job(phase="Running")
    del body["spec"]["modelName"]
    assert read_leniently(StargateJob, body).spec.model_name is None


def test_good_object_is_read_as_before() -> None:
    body = {"metadata": {"name": "r"}, "spec": {"image": "trainer:1"}}
    assert read_leniently(StargateRuntime, body) == StargateRuntime.model_validate(body)
