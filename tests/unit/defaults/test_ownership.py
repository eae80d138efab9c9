"""A default is applied if it is missing or unedited, never over an object that somebody edited."""

import json
from typing import Any

import pytest

from stargate_operator.defaults.manifest import Default
from stargate_operator.defaults.ownership import Live, Ownership, first_change, judge
from stargate_operator.kube.meta import ObjectMeta
from stargate_types.base import INSTALLED_SPEC

OLD = {"image": "trainer:1", "env": [{"name": "A", "value": "1"}], "checkpoint": {"uriPrefix": "s"}}
NEW = {**OLD, "image": "trainer:2"}


def live(spec: Any, installed: Any = OLD) -> Live:
    annotations = {} if installed is None else {INSTALLED_SPEC: json.dumps(installed)}
    return Live(ObjectMeta(name="default", annotations=annotations), spec)


def judged(wanted: Any, found: Live | None) -> Ownership:
    return judge(Default("StargateRuntime", "default", wanted), found)


def test_missing_default_is_applied() -> None:
    assert judged(OLD, None).verdict == "apply"


def test_equal_object_is_not_written() -> None:
    assert judged(OLD, live(OLD)) == Ownership("standing")


def test_field_added_by_the_server_is_no_edit() -> None:
    assert judged(OLD, live({**OLD, "podSecurity": "Restricted"})).verdict == "standing"


def test_newer_default_replaces_an_unedited_one() -> None:
    assert judged(NEW, live(OLD)).verdict == "apply"


@pytest.mark.parametrize(
    ("edited", "field"),
    [
        ({**OLD, "image": "mine:1"}, "spec.image"),
        ({key: value for key, value in OLD.items() if key != "image"}, "spec.image"),
        ({**OLD, "checkpoint": {"uriPrefix": "mine"}}, "spec.checkpoint.uriPrefix"),
        ({**OLD, "checkpoint": {}}, "spec.checkpoint.uriPrefix"),
        ({**OLD, "env": []}, "spec.env"),
        ({**OLD, "env": [{"name": "A", "value": "2"}]}, "spec.env"),
        ({**OLD, "env": "garbage"}, "spec.env"),
    ],
)
@pytest.mark.parametrize("wanted", [OLD, NEW])
def test_changed_or_removed_field_is_left_alone(wanted: Any, edited: Any, field: str) -> None:
    assert judged(wanted, live(edited)) == Ownership("left_alone", f"somebody changed {field}")


def test_added_field_does_not_block_a_newer_default() -> None:
    added = {**OLD, "env": [{"name": "MINE", "value": "1"}, *OLD["env"]], "cpu": "4"}
    assert judged(OLD, live(added)).verdict == "standing"
    assert judged(NEW, live(added)).verdict == "apply"


@pytest.mark.parametrize("spec", [OLD, NEW, {}])
def test_object_without_annotation_is_left_alone(spec: Any) -> None:
    assert judged(OLD, live(spec, installed=None)) == Ownership(
        "left_alone", "somebody else made it"
    )


def test_unreadable_annotation_is_an_edit() -> None:
    meta = ObjectMeta(name="default", annotations={INSTALLED_SPEC: "{"})
    assert judged(NEW, Live(meta, OLD)).verdict == "left_alone"


def test_numbers_are_compared_as_numbers() -> None:
    assert first_change({"pue": 1.0}, {"pue": 1}) is None
