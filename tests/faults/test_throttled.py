"""An API server that has no seats for the operator: it answers 429 to most of what is asked at once.

What is expected of the operator: it asks less at a time, and the gang comes up all the same, with
no word of trouble in the status.
"""

from collections.abc import Iterator

import pytest

from stargate_lab.control_plane import ControlPlane
from tests.integration.racks import Racks
from tests.integration.story import Story, eventually
from tests.recorder.history import Json

FLOW = "/apis/flowcontrol.apiserver.k8s.io/v1"
NAME = "few-seats"
CEILING = 32

LEVEL: Json = {
    "metadata": {"name": NAME},
    "spec": {
        "type": "Limited",
        "limited": {
            "nominalConcurrencyShares": 1,
            "lendablePercent": 0,
            "borrowingLimitPercent": 0,
            "limitResponse": {"type": "Reject"},
        },
    },
}
SCHEMA: Json = {
    "metadata": {"name": NAME},
    "spec": {
        "priorityLevelConfiguration": {"name": NAME},
        "matchingPrecedence": 2,
        "rules": [
            {
                "subjects": [
                    {
                        "kind": "ServiceAccount",
                        "serviceAccount": {
                            "namespace": "stargate-system",
                            "name": "stargate-operator",
                        },
                    }
                ],
                "resourceRules": [
                    {
                        "verbs": ["create", "update", "delete"],
                        "apiGroups": ["*"],
                        "resources": ["*"],
                        "namespaces": ["*"],
                        "clusterScope": True,
                    }
                ],
            }
        ],
    },
}


@pytest.fixture
def few_seats(plane: ControlPlane) -> Iterator[None]:
    plane.api.create(f"{FLOW}/prioritylevelconfigurations", LEVEL)
    plane.api.create(f"{FLOW}/flowschemas", SCHEMA)
    yield
    plane.api.delete(f"{FLOW}/flowschemas/{NAME}")
    plane.api.delete(f"{FLOW}/prioritylevelconfigurations/{NAME}")


@pytest.mark.usefixtures("few_seats")
def test_a_gang_comes_up_on_an_api_server_that_says_429(story: Story, racks: Racks) -> None:
    operator, many = story.operator, 100
    pid, before = operator.pid, operator.metric("stargate_api_throttled_total")
    rack = racks.build(nodes=many)

    with story.recorder.interrupted():  # the status waits for a seat too, and may be late
        job = story.apply("job", many, acceleratorType=rack)
        running = job.wait_phase("Running", seconds=60)

    assert running.attempt == 1
    assert operator.pid == pid
    assert operator.metric("stargate_api_throttled_total") > before
    eventually(lambda: operator.metric("stargate_api_concurrency_limit") < CEILING, "fewer at once")
    reasons = {c["reason"] for j in job.history for c in j.status.get("conditions") or []}
    assert not reasons & {"PodsRefused", "ApiServerUnreachable"}
    job.delete()
    job.wait_gone()
