"""The chart's rules against every request that operators made while all other tests ran.

A right that nothing asked for is a hole; one that is asked for and missing is a failure in somebody's
cluster. Both are named.
"""

from pathlib import Path

import pytest
import yaml

from stargate_lab.cluster import chart
from tests.rights.rights import Asked, Right, asked, granted

ASKED_FOR_BY_ADMISSION = {Right("stargate.dev", "stargatejobs/finalizers", "update")}
"""On behalf of who creates a pod; tests/apiserver/test_owner_references.py shows when."""


@pytest.fixture(scope="module")
def requests(audit_logs: list[Path]) -> list[Asked]:
    return list(asked(audit_logs))


@pytest.fixture(scope="module")
def rules() -> set[Right]:
    documents = list(yaml.safe_load_all(chart.template("rbac.yaml")))
    return granted(each for each in documents if "rules" in each)


def test_every_requested_right_is_granted(requests: list[Asked], rules: set[Right]) -> None:
    missing = {str(each.right): each.request for each in requests if each.right not in rules}
    assert not missing, f"the chart's rbac.yaml does not allow: {missing}"


def test_every_granted_right_is_used(requests: list[Asked], rules: set[Right]) -> None:
    used = {each.right for each in requests if each.allowed} | ASKED_FOR_BY_ADMISSION
    unused = sorted(map(str, rules - used))
    assert not unused, f"the chart's rbac.yaml allows what nothing asked for: {unused}"
