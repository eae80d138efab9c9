"""The API server is killed under load and returns some seconds later.

The operator keeps running, continues its work and breaks no invariant. Acknowledged checkpoints stay in
the status. The recorder watches through a second API server.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from stargate_lab.cluster.api import Api
from stargate_lab.cluster.control_plane import ControlPlane
from stargate_lab.process import operator_process
from stargate_lab.process.operator_process import OperatorProcess
from stargate_lab.process.trainer_process import TrainerProcess
from stargate_lab.workload.training import Behaviour
from tests.faults.lab import SLOWER, Lab
from tests.faults.witness import a_second_apiserver
from tests.kit.racks import Racks
from tests.kit.recorder import Recorder, recording
from tests.kit.story import Story

BACK_WITHIN = 60.0
"""Seconds from the API server's return to the operator's next write: twice its longest pause, because
the server starts slowly on a busy machine, and a margin."""

EPOCHS = 12


@pytest.fixture(scope="module")
def witness(lab: Lab) -> Iterator[Api]:
    with a_second_apiserver(lab.plane) as api:
        yield api


@pytest.fixture
def recorder(lab: Lab, witness: Api, namespace: str, audit_log: Path) -> Iterator[Recorder]:
    with recording(
        witness.credentials,
        namespace,
        audit_log,
        operators=partial(operator_process.pids, lab.plane),
        operators_api=lab.plane.api.credentials,
    ) as recorder:
        recorder.history.patience = SLOWER
        yield recorder


@pytest.fixture
def story(witness: Api, operator: OperatorProcess, namespace: str, recorder: Recorder) -> Story:
    return Story(witness, namespace, recorder, operator)


@pytest.fixture
def trainers(plane: ControlPlane) -> Iterator[TrainerProcess]:
    trainers = TrainerProcess(plane, Behaviour(epoch_seconds=0.5, checkpoint_seconds=0.05))
    trainers.start()
    yield trainers
    trainers.stop()


@contextmanager
def an_outage(story: Story, plane: ControlPlane) -> Iterator[None]:
    """An outage of the API server. The block waits for the operator's next write."""
    pid = story.operator.pid
    with story.recorder.interrupted():
        plane.restart_apiserver()
        yield
    assert story.operator.pid == pid, "the operator ended:\n" + story.operator.log_tail()


def test_api_server_outage_during_creation_loses_no_pod(
    story: Story, racks: Racks, plane: ControlPlane
) -> None:
    many = 100
    job = story.apply("job", many, acceleratorType=racks.build(nodes=many))
    job.wait_pods(lambda pods: len(pods) >= many // 4, "a quarter of the gang")

    with an_outage(story, plane):
        job.wait(lambda job: job.workers["created"] == many, "all created", BACK_WITHIN)

    assert job.wait_phase("Running").attempt == 1
    job.oom_kill(11)
    job.wait_phase("Running", attempt=2)
    job.finish()
    job.wait_phase("Succeeded")


def test_api_server_outage_during_training_loses_no_checkpoint(
    story: Story, racks: Racks, plane: ControlPlane, trainers: TrainerProcess
) -> None:
    job = story.apply(
        "job", 20, acceleratorType=racks.build(nodes=20), epochs=EPOCHS, checkpointIntervalEpochs=2
    )
    first = job.wait(lambda job: job.newest_complete, "a checkpoint").newest_complete
    assert first

    with an_outage(story, plane):
        job.wait(lambda job: job.newest_complete != first, "the next checkpoint", BACK_WITHIN)

    done = job.wait_phase("Succeeded", seconds=40)
    assert (done.attempt, done.restarts) == (1, 0)
    assert done.newest_complete
    assert done.newest_complete["epoch"] == EPOCHS
    assert done.status["progress"]["percent"] == 100.0
    acknowledged = [
        event["epoch"] for event in trainers.events() if event["event"] == "acknowledged"
    ]
    assert acknowledged == list(range(2, EPOCHS + 1, 2))
