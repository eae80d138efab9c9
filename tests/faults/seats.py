"""An API server with one seat for the operator: it answers most concurrent writes with 429."""

from collections.abc import Iterator

import pytest

from stargate_lab.cluster.control_plane import ControlPlane
from tests.kit.recorder.history import Json

FLOW = "/apis/flowcontrol.apiserver.k8s.io/v1"
NAME = "few-seats"

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
