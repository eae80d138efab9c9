"""Many seeds of the real operator in a simulated cluster: no invariant is broken, and every job ends.

`SEED=n make simulate` tells the story of a seed that fails here, made as short as it can be.
"""

import pytest

from stargate_operator.model import checkpoints
from stargate_types.status import Checkpoints
from tests.kit.cluster.nodes import pod_key
from tests.kit.cluster.workers import SAVE_EVERY_STEPS, TRAIN_STEPS
from tests.kit.other_process import last_line_of
from tests.simulation.__main__ import main
from tests.simulation.acts import Act
from tests.simulation.many import Total, verdict
from tests.simulation.plan import Event, JobPlan, Plan
from tests.simulation.run import ACTS, plan, simulate
from tests.simulation.shrink import shrunk
from tests.simulation.world import World

SEEDS, GROUPS = 520, 26
"""Groups share the work between the processes that run the tests."""


@pytest.mark.parametrize("group", range(GROUPS))
def test_no_seed_breaks_an_invariant(group: int) -> None:
    total = Total()
    for seed in range(group, SEEDS, GROUPS):
        found = verdict(seed)
        assert not found.violations, f"seed {seed}:\n" + "\n".join(found.violations)
        total.add(found)
    assert len(total.happened) > len(ACTS) / 2, "too little happened to prove much"
    assert len(total.causes) >= 4, total.causes


def test_plan_of_a_seed_is_the_same_each_time() -> None:
    assert plan(5) == plan(5)
    assert plan(5) != plan(6)


def test_seed_gives_the_same_log_in_any_process() -> None:
    """Whatever order Python's hashes give to sets."""
    program = "from tests.simulation.run import *; print(simulate(plan(7)).digest)"
    assert last_line_of(program) == simulate(plan(7)).digest


@pytest.mark.parametrize("wrong", ["0", "-3", "many"])
def test_wrong_number_of_seeds_is_named(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([f"--seeds={wrong}"])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert f"--seeds: must be a whole number from 1 up, not '{wrong}'" in error


def small_plan(*events: Event, job: JobPlan | None = None) -> Plan:
    return Plan(
        seed=1,
        nodes=2,
        replicas=1,
        epoch_seconds=3.0,
        save_seconds=0.0,
        jobs=(job or JobPlan(name="job-0", ranks=2, epochs=10),),
        events=events,
        sidecars=False,
        storm=20.0,
    )


def _delete_quietly(world: World, dice: object) -> str:
    """A fault of an operator: it deletes a pod for which no status gives a reason."""
    del dice
    server = world.cluster.server
    pod = world.pods(lambda pod: pod.phase == "Running")[0]
    server.delete(pod_key(pod.raw), agent="stargate-operator/operator-0", gracePeriodSeconds=1)
    return pod.name


def _nothing(world: World, dice: object) -> str:
    del world, dice
    return ""


def _break_rank_one(world: World, dice: object) -> str:
    del dice
    [pod] = world.pods(lambda pod: pod.phase == "Running" and pod.rank == 1)
    world.cluster.kubelets.exit(pod.raw, 1)
    return pod.name


def by_steps(steps: int = 12, *, save_every: int = 2) -> JobPlan:
    variables = {TRAIN_STEPS: str(steps), SAVE_EVERY_STEPS: str(save_every)}
    env = [{"name": name, "value": value} for name, value in variables.items()]
    spec = {"checkpointIntervalEpochs": 1, "template": {"env": env}}
    return JobPlan(name="job-0", ranks=2, epochs=1, steps=steps, spec=spec)


FAULTY = {"delete": Act(1.0, _delete_quietly), "nothing": Act(1.0, _nothing)}
BROKEN = {"break": Act(1.0, _break_rank_one)}


def test_fault_of_the_operator_is_found_and_shrunk() -> None:
    events = [Event(at=1.0 + n, what="nothing", seed=n) for n in range(6)]
    events[3] = Event(at=4.0, what="delete", seed=3)
    failing = simulate(small_plan(*events), FAULTY)
    assert "was deleted, and no status says" in failing.violations[0]

    smallest = shrunk(failing.plan, lambda smaller: simulate(smaller, FAULTY).kind == failing.kind)

    assert [event.what for event in smallest.events] == ["delete"]


def test_job_by_steps_runs_through_a_failure() -> None:
    plan = small_plan(Event(at=8.0, what="break", seed=0), job=by_steps())
    outcome = simulate(plan, BROKEN)
    assert not outcome.violations
    assert outcome.causes == {"Exit", "Succeeded"}
    assert "checkpoint epoch 1, step 12" in "\n".join(outcome.log)


def test_comparison_of_epochs_alone_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def by_epoch(before: Checkpoints | None, after: Checkpoints | None) -> bool:
        old, new = checkpoints.complete(before), checkpoints.complete(after)
        return bool(new) and (not old or new[0].epoch > old[0].epoch)

    monkeypatch.setattr(checkpoints, "advanced", by_epoch)
    plan = small_plan(Event(at=8.0, what="break", seed=0), job=by_steps())
    assert "failures that count: 1, though" in simulate(plan, BROKEN).violations[0]


def test_log_tells_events_and_writes_in_order() -> None:
    log = simulate(small_plan(Event(at=5.0, what="nothing", seed=0)), FAULTY).log
    text = "\n".join(log)
    assert (
        text.index("a job was applied") < text.index("nothing") < text.index("Succeeded attempt 1")
    )
