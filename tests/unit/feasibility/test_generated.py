"""Over generated fleets and jobs, `check` agrees with an oracle, and the operator places a gang only in
a block for which `check` says yes."""

from hypothesis import HealthCheck, event, given, settings

from stargate_feasibility import Answer, Feasibility, check
from stargate_operator.informers.catalog import Catalog
from stargate_operator.informers.jobs import Jobs
from stargate_operator.model.blueprint import Blueprint, Refusal, resolve
from stargate_operator.placement.placer import Placer
from tests.unit.feasibility import oracle
from tests.unit.feasibility.worlds import LATENCY, World, worlds

many = settings(max_examples=700, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def checked(world: World) -> Feasibility:
    wanted = world.wanted
    return check(
        wanted.job,
        blocks=world.blocks(),
        classes=world.classified(),
        runtimes=[wanted.runtime],
    )


@many
@given(worlds())
def test_check_agrees_with_the_oracle(world: World) -> None:
    found = checked(world)
    event(found.answer.value)
    assert found.answer == oracle.answer(world)
    assert bool(found.reasons) is (found.answer is not Answer.YES)
    for each in found.blocks:
        assert each.answer == oracle.answer_in(world, each.block), each
        assert bool(each.reasons) is (each.answer is not Answer.YES)


@many
@given(worlds())
def test_operator_places_gangs_where_check_says_yes(world: World) -> None:
    found, placed = checked(world), put(world)
    if isinstance(placed, Refusal):
        expected = Answer.NOT_NOW if placed.waits else Answer.NEVER
        assert found.answer is expected
    elif placed.place is None:
        assert world.wanted.job.placement is None
    else:
        chosen = placed.place.block.metadata.name
        assert {each.block: each.answer for each in found.blocks}[chosen] is Answer.YES
        assert found.answer is Answer.YES


def put(world: World) -> Blueprint | Refusal:
    wanted, catalog = world.wanted, Catalog()
    for block in world.blocks():
        catalog.put_block(block.model_dump(by_alias=True, mode="json", exclude_none=True))
    blueprint = resolve(wanted.job, runtimes=[wanted.runtime], classes=world.classified())
    if isinstance(blueprint, Refusal):
        return blueprint
    placer = Placer(world.fleet, catalog, Jobs())
    return placer.assess(wanted.job, blueprint, short_of_nodes=False).blueprint


def test_check_answers_for_every_block() -> None:
    assert set(LATENCY) == {"cluster", "a", "b"}
