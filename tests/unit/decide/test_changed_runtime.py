"""All pods of a gang are made from one runtime, one class and one compute block."""

import pytest

from stargate_operator.model.blueprint import Blueprint, Place
from stargate_types.status import Cause, Phase
from tests.kit.builders import (
    accelerator_class,
    blueprint,
    compute_block,
    described,
    gang,
    job,
    planned,
    runtime,
    starting_gang,
    without,
)


def edited(kind: str) -> Blueprint:
    """The runtime or class at a later generation."""
    made = runtime() if kind == "runtime" else accelerator_class()
    later = made.model_copy(update={"metadata": made.metadata.model_copy(update={"generation": 2})})
    return (
        blueprint(job(), runtime_=later)  # type: ignore[arg-type]
        if kind == "runtime"
        else blueprint(job(), class_=later)  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("kind", ["runtime", "class"])
def test_change_while_ranks_are_missing_restarts_attempt(kind: str) -> None:
    given = job(max_restarts=0).starting()
    plan = planned(given, without(starting_gang(4), 1), blueprint_=edited(kind))
    assert (plan.phase, plan.reason, plan.next_attempt) == (
        Phase.RESTARTING,
        "RuntimeChanged",
        True,
    )
    status = described(given, without(starting_gang(4), 1), blueprint_=edited(kind))
    assert (status.attempt, status.restarts, status.failures_since_checkpoint) == (2, 0, 0)
    assert status.attempts[0].cause is Cause.RUNTIME_CHANGED


def test_a_change_while_ranks_are_created_is_ignored() -> None:
    pods = without(starting_gang(4), 1)
    assert planned(job().starting(), pods, creating=[1], blueprint_=edited("class")).ending is None


def test_a_change_after_all_pods_exist_is_ignored() -> None:
    assert planned(job().starting(), starting_gang(4), blueprint_=edited("class")).ending is None
    assert planned(job().running(), gang(4), blueprint_=edited("class")).phase is Phase.RUNNING


def test_the_next_attempt_uses_the_changed_runtime() -> None:
    status = described(job().restarting(ended=-1), blueprint_=edited("runtime"))
    assert status.attempts[-1].runtime == "default/runtime-uid/2"
    assert status.attempts[0].runtime == "default/runtime-uid/1"


def test_an_attempt_records_its_block_and_domain() -> None:
    place = Place(compute_block("row-a"), ("zone", "1"))
    status = described(job(), blueprint_=blueprint(job()).at(place))
    assert (status.attempts[0].block, status.attempts[0].domain) == ("row-a/row-a-uid/1", "zone=1")


def test_a_recreated_block_restarts_an_incomplete_attempt() -> None:
    put = blueprint(job()).at(Place(compute_block("row-a")))
    given = job().now(described(job(), blueprint_=put))
    assert planned(given, blueprint_=put).ending is None
    meta = compute_block("row-a").metadata.model_copy(update={"generation": 2})
    drawn_anew = compute_block("row-a").model_copy(update={"metadata": meta})
    plan = planned(given, blueprint_=put.at(Place(drawn_anew)))
    assert (plan.reason, plan.next_attempt) == ("RuntimeChanged", True)
    assert "row-a/row-a-uid/2" in plan.message
