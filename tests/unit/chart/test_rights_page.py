"""docs/rights.md has each rule of the chart once, and no other."""

import re

import pytest

from stargate_lab.host.paths import REPO
from tests.kit.rendered import EVERYTHING, Json, rendered
from tests.rights.rights import Right, granted

ROW = re.compile(r"^\| (jobs|cluster|own) \| (\S*) ?\| (.+?) \| (.+?) \| .+ \|$", re.MULTILINE)
PAGE = ROW.findall((REPO / "docs" / "rights.md").read_text())


def told(*places: str) -> list[Right]:
    return [
        Right(group, resource, verb)
        for where, group, resources, verbs in PAGE
        if where in places
        for resource in resources.split(", ")
        for verb in verbs.split(", ")
    ]


def of_a_team() -> Json:
    """In one of the namespaces that an operator is limited to."""
    return rendered(EVERYTHING).of("Role")[-1]


@pytest.mark.parametrize(
    ("places", "role"),
    [
        (("jobs", "cluster"), rendered().one("ClusterRole")),
        (("jobs",), of_a_team()),
        (("own",), rendered().one("Role")),
    ],
    ids=["the cluster's", "a team's", "its own namespace's"],
)
def test_page_lists_each_rule_once(places: tuple[str, ...], role: Json) -> None:
    assert sorted(told(*places)) == sorted(granted([role]))
