"""Compares the chart's rules with every request that operators made in all other tests.

An unused right is a security hole. A missing right is a failure in a cluster. The tests name both.
"""

from pathlib import Path

import pytest
import yaml

from stargate_lab.cluster import chart
from tests.rights.rights import Asked, Right, asked, granted

ASKED_FOR_BY_ADMISSION = {Right("stargate.dev", "stargatejobs/finalizers", "update")}
"""Admission checks it when a worker pod is created: tests/apiserver/test_owner_references.py."""


@pytest.fixture(scope="module")
def requests(audit_logs: list[Path]) -> list[Asked]:
    return list(asked(audit_logs))


@pytest.fixture(scope="module")
def rules() -> set[Right]:
    documents = list(yaml.safe_load_all(chart.template("rbac.yaml")))
    return granted(document for document in documents if "rules" in document)


def test_every_requested_right_is_granted(requests: list[Asked], rules: set[Right]) -> None:
    missing = {str(each.right): each.request for each in requests if each.right not in rules}
    assert not missing, f"the chart's rbac.yaml does not allow: {missing}"


def test_every_granted_right_is_used(requests: list[Asked], rules: set[Right]) -> None:
    used = {each.right for each in requests if each.allowed} | ASKED_FOR_BY_ADMISSION
    unused = sorted(map(str, rules - used))
    assert not unused, f"the chart's rbac.yaml grants unused rights: {unused}"
