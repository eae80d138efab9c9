"""docs/job.md has every field of a StargateJob, and each word that its status may use."""

import re
from collections.abc import Iterable

import pytest
import yaml

from stargate_feasibility.reasons import Reasons as FeasibilityReasons
from stargate_generate import job_page
from stargate_operator.constants import Conditions, Reasons
from stargate_operator.decide.plan import NOT_FAILURES, UNCOUNTED
from stargate_types import StargateJob
from stargate_types.openapi import openapi_schema
from stargate_types.status import Cause, Phase

TEXT = job_page.PAGE.read_text()
SCHEMA = openapi_schema(StargateJob)
ONLY_IN_EVENTS = {Reasons.CHECKPOINT_COMPLETE}


def rows(section: str) -> list[list[str]]:
    """The cells of the section's tables, without heads."""
    (text,) = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", TEXT, re.M | re.S)
    lines = re.findall(r"^\| (`.*) \|$", text, re.M)
    return [line.split(" | ") for line in lines]


def words(cells: Iterable[str]) -> list[str]:
    return [word for cell in cells for word in re.findall(r"`(\w+)`", cell)]


def stated(holder: type) -> set[str]:
    return {value for name, value in vars(holder).items() if not name.startswith("_")}


def test_page_agrees_with_the_types() -> None:
    assert job_page.page(TEXT) == TEXT, "run `make manifests`"


def test_example_is_a_job() -> None:
    (manifest,) = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.M | re.S)
    job = StargateJob.model_validate(yaml.safe_load(manifest))
    assert job.spec.resource_allocation.nodes == 2


def test_page_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="marks"):
        job_page.page("nothing of the kind")


@pytest.mark.parametrize("path", [*job_page.paths("spec"), *job_page.paths("status")])
def test_every_field_has_a_description(path: str) -> None:
    found = SCHEMA
    for name in path.split("."):
        found = found["properties"][name.removesuffix("[]")]
        found = found["items"] if name.endswith("[]") else found
    assert found["description"]


@pytest.mark.parametrize(
    "field", ["activeDeadlineSeconds", "startTimeoutSeconds", "lastReportTime"]
)
def test_field_of_any_depth_stands_in_a_table(field: str) -> None:
    assert re.search(rf"^\| `{field}` \|", TEXT, re.M)


def test_phases_are_those_of_the_type() -> None:
    assert words(row[0] for row in rows("Phases")) == [*Phase]


def test_causes_are_those_of_the_type() -> None:
    assert words(row[0] for row in rows("Causes")) == [*Cause]


@pytest.mark.parametrize("row", rows("Causes"), ids=lambda row: row[0])
def test_cause_counts_as_the_policies_count(row: list[str]) -> None:
    cause = Cause(row[0].strip("`"))
    assert (row[3] == "yes") == (cause not in UNCOUNTED)
    if cause is not Cause.DEADLINE_EXCEEDED:
        assert (row[2] == "yes") == (cause not in NOT_FAILURES)


def test_conditions_are_those_of_the_operator() -> None:
    kinds = {row[0].strip("`") for row in rows("Conditions and reasons") if len(row) == 2}
    assert kinds == stated(Conditions)


def test_reasons_are_those_of_the_operator() -> None:
    named = set(words(row[0] for row in rows("Conditions and reasons") if len(row) == 3))
    assert named <= stated(Reasons) | stated(FeasibilityReasons)
    also_a_phase_or_cause = {*Phase, *Cause}
    assert stated(Reasons) - named - ONLY_IN_EVENTS <= also_a_phase_or_cause
