"""Two operators run: one leads and writes, the other is a standby, ready to take over.

The leader is killed, paused, isolated from the API server or stopped. The standby then leads within the
lease and a retry. No write of the old leader succeeds later. Reports reach the new leader. Acknowledged
checkpoints stay in the status. The takeover's silence is no hang.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

import pytest

from tests.faults.front_door import behind_the_service
from tests.faults.lab import Lab
from tests.faults.replicas import FAULTS, KILLED, STANDS_STILL, Fault, Pair, Replica, a_pair
from tests.faults.tap import Point
from tests.faults.test_crashes import has_checkpoint
from tests.faults.workers import insist
from tests.kit.containers import machines
from tests.kit.racks import Racks
from tests.kit.recorder import Recorder
from tests.kit.recorder.history import Request
from tests.kit.story import JobStory, Story, eventually
from tests.kit.worker import Answer, Worker, reporting

LEASE, RETRY = 10.0, 1.0
SHORT_LEASE = {
    "STARGATE_LEASE_DURATION_SECONDS": f"{LEASE:g}",
    "STARGATE_LEASE_RENEW_DEADLINE_SECONDS": "5",
    "STARGATE_LEASE_RETRY_SECONDS": f"{RETRY:g}",
}
"""A write has the 5 s between the renew deadline and the end of the lease."""
TAKEN_OVER = LEASE + 3 * RETRY
"""One retry until the standby sees the last renewal; two more for a busy machine."""
UNDER_WAY = 1.0
"""Seconds from sending a request until the API server records its time."""
SOON = 60.0
"""Seconds. A worker waits 20 s for an answer, even without an operator."""


@pytest.fixture(scope="module")
def replicas(lab: Lab) -> Iterator[Pair]:
    lab.operator.stop()
    with a_pair(lab, SHORT_LEASE) as pair:
        yield pair


@pytest.fixture
def pair(replicas: Pair) -> Pair:
    replicas.both_run()
    return replicas


@pytest.fixture
def story(pair: Pair, namespace: str, recorder: Recorder) -> Story:
    return Story(pair.plane.api, namespace, recorder, pair.wait_leader().process)


@dataclass
class Takeover:
    pair: Pair
    leader: Replica
    fault: Fault
    struck: float = 0.0
    taken: float = 0.0

    def happen(self, story: Story) -> Replica:
        """Cause the fault and return the new leader."""
        with story.recorder.interrupted():
            self.fault.strike(self.leader)
            self.struck = time.time()
            successor = self.pair.wait_leader(TAKEN_OVER, other_than=self.leader.name)
            self.taken = time.time()
        return successor

    def settle(self, story: Story) -> None:
        """Revive the old leader, wait for its end, and check that no late write of it succeeded."""
        self.fault.revive(self.leader)
        eventually(self.leader.ended, "the end of the old leader")
        assert self.fault.last_words in self.leader.process.log_tail(5)
        writes = landed(story, self.leader.name)
        assert not [w for w in writes if w.ended > self.taken], "a write ended after the takeover"
        late = [write for write in writes if write.began > self.struck + UNDER_WAY]
        assert not late, "a write began after the fault"


def landed(story: Story, agent: str) -> list[Request]:
    """Writes of a replica that the API server accepted."""
    requests = story.recorder.requests()
    return [each for each in requests if each.agent == agent and each.writes and each.code < 300]


def writers(story: Story) -> set[str]:
    requests = story.recorder.requests()
    return {each.agent for each in requests if each.writes and each.namespace == story.namespace}


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_new_leader_continues_gang_creation_and_teardown(
    story: Story, pair: Pair, racks: Racks, fault: Fault
) -> None:
    takeover = Takeover(pair, pair.wait_leader(), fault)
    going = story.apply("going", 40, acceleratorType=racks.build(nodes=40))
    rack = racks.build(nodes=80)
    going.wait_phase("Running")
    insist(going.worker(), 5)
    assert writers(story) == {takeover.leader.name}
    going.oom_kill(7)
    going.wait_pods(lambda pods: any(pod.deleting for pod in pods), "the teardown")
    coming = story.apply("coming", 80, acceleratorType=rack)
    coming.wait_pods(lambda pods: len(pods) >= 10, "the creation")

    successor = takeover.happen(story)

    again = going.wait_phase("Running", attempt=2)
    assert (again.restarts, again.attempts[1]["restoredEpoch"]) == (1, 5)
    assert coming.wait_phase("Running").attempt == 1
    takeover.settle(story)
    assert writers(story) == {takeover.leader.name, successor.name}
    for job in (going, coming):
        job.finish()
        job.wait_phase("Succeeded")
    assert pair.holder == successor.name


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_checkpoint_survives_leader_loss_before_acknowledgement(
    story: Story, pair: Pair, racks: Racks, fault: Fault
) -> None:
    takeover = Takeover(pair, pair.wait_leader(), fault)
    job = story.apply("job", 4, acceleratorType=racks.build(nodes=4))
    job.wait_phase("Running")
    insist(job.worker(), 5)
    with insisting(job.worker(), 10):
        takeover.leader.tap.halt_at(Point("10-written", has_checkpoint, heard=True))
        takeover.leader.tap.await_halt(SOON)
        takeover.happen(story)

    assert [each["epoch"] for each in job.now.checkpoints] == [10, 5]
    takeover.settle(story)
    job.oom_kill(1)
    again = job.wait_phase("Running", attempt=2)
    assert again.restored_from is not None
    assert again.restored_from["epoch"] == 10


@contextmanager
def insisting(worker: Worker, epoch: int) -> Iterator[None]:
    """The worker reports until the checkpoint is acknowledged, at the latest at the end of the block."""
    trouble: list[BaseException] = []

    def ask() -> None:
        try:
            insist(worker, epoch, SOON)
        except BaseException as error:
            trouble.append(error)

    asking = threading.Thread(target=ask, name="insisting", daemon=True)
    asking.start()
    yield
    asking.join(SOON + 20)
    assert not asking.is_alive(), "the worker still waits for an answer"
    if trouble:
        raise trouble[0]


def test_stopped_leader_hands_over_immediately(story: Story, pair: Pair, racks: Racks) -> None:
    leader = pair.wait_leader()
    job = story.apply("job", 4, acceleratorType=racks.build(nodes=4))
    job.wait_phase("Running")

    with story.recorder.interrupted():
        stopped = time.time()
        leader.process.stop()
        pair.wait_leader(other_than=leader.name)
        took = story.recorder.acted_seconds(stopped)
        assert took < LEASE / 2, "the leader did not release its lease"

    job.oom_kill(1)
    job.wait_phase("Running", attempt=2)


def test_report_service_points_to_leader_alone(story: Story, pair: Pair) -> None:
    leader = pair.wait_leader()
    eventually(lambda: behind_the_service(pair.plane) == [leader.name], "the leader")
    takeover = Takeover(pair, leader, KILLED)

    successor = takeover.happen(story)

    eventually(lambda: behind_the_service(pair.plane) == [successor.name], "the new leader")


def test_standby_refuses_reports(story: Story, pair: Pair, racks: Racks) -> None:
    job = story.apply("job", 2, acceleratorType=racks.build(nodes=2))
    job.wait_phase("Running")

    answer = asked_directly(pair.standby(), job).saves(5)

    assert answer.status == HTTPStatus.SERVICE_UNAVAILABLE
    assert "does not lead; another one takes the reports" in answer.message
    assert not job.now.checkpoints


def test_resumed_leader_without_lease_acknowledges_nothing(
    story: Story, pair: Pair, racks: Racks
) -> None:
    """Reports wait in the sockets of a paused leader. It must not acknowledge them when it resumes."""
    takeover = Takeover(pair, pair.wait_leader(), STANDS_STILL)
    job = story.apply("job", 2, acceleratorType=racks.build(nodes=2))
    job.wait_phase("Running")
    sleeper = asked_directly(takeover.leader, job)
    assert sleeper.token
    takeover.happen(story)
    heard: list[int] = []
    asking = [
        threading.Thread(target=lambda: heard.append(_status(lambda: sleeper.saves(5))))
        for _ in range(5)
    ]
    for thread in asking:
        thread.start()
    time.sleep(0.5)

    takeover.settle(story)

    for thread in asking:
        thread.join(30)
    assert len(heard) == len(asking)
    assert set(heard) <= {0, HTTPStatus.SERVICE_UNAVAILABLE}
    assert not job.now.checkpoints


def asked_directly(replica: Replica, job: JobStory) -> Worker:
    """A worker that reports to this replica directly, not through the Service."""
    return replace(job.worker(), port=replica.process.ports.reports)


def _status(ask: Callable[[], Answer]) -> int:
    """The status code of the answer, or 0 without an answer."""
    try:
        return ask().status
    except OSError:
        return 0


@pytest.mark.parametrize("fault", [KILLED, STANDS_STILL], ids=str)
def test_training_progress_never_goes_back_during_takeover(
    story: Story, pair: Pair, racks: Racks, tmp_path: Path, fault: Fault
) -> None:
    takeover = Takeover(pair, pair.wait_leader(), fault)
    with machines(tmp_path) as cluster:
        job = story.apply(
            "job",
            2,
            acceleratorType=racks.build(nodes=2),
            epochs=60,
            checkpoint={"uri": f"file://{cluster.checkpoints}", "retain": 2},
        )
        cluster.run(job, "0.4")
        acknowledged = cluster.checkpoints / "attempt-1/epoch-5/acknowledged"
        eventually(acknowledged.exists, "the old leader's acknowledgement")

        takeover.happen(story)

        assert job.now.newest_complete
        assert job.now.newest_complete["epoch"] >= 5
        done = job.wait_phase("Succeeded", seconds=2 * SOON)
    takeover.settle(story)
    assert (done.attempt, done.newest_complete and done.newest_complete["epoch"]) == (1, 60)
    percents = [
        progress["percent"] for each in job.history if (progress := each.status.get("progress"))
    ]
    assert percents == sorted(percents)


def test_new_leader_ignores_silence_before_its_election(
    story: Story, pair: Pair, racks: Racks
) -> None:
    """The workers reported to the old leader only. The new leader has no reports yet."""
    takeover = Takeover(pair, pair.wait_leader(), KILLED)
    job = story.apply(
        "job", 2, acceleratorType=racks.build(nodes=2), hang={"reportTimeoutSeconds": 6}
    )
    job.wait_phase("Running")
    with reporting(job.worker(0), job.worker(1), epoch=3):
        time.sleep(3)
        takeover.happen(story)
        time.sleep(5)
        assert job.now.attempt == 1

    again = job.wait_phase("Running", attempt=2)

    assert again.attempts[0]["cause"] == "Hang"


def test_new_leader_with_stale_watches_acts_correctly(
    story: Story, pair: Pair, racks: Racks
) -> None:
    """The standby's watches miss the changes of three jobs, and their connections look healthy."""
    standby = pair.standby()
    takeover = Takeover(pair, pair.wait_leader(), KILLED)
    failed, deleted = (story.apply(name, 2, acceleratorType=racks.build(2)) for name in ("f", "d"))
    for job in (failed, deleted):
        job.wait_phase("Running")
    rack = racks.build(nodes=2)

    standby.tap.swallows_watches = True
    with story.recorder.interrupted():
        takeover.fault.strike(takeover.leader)
        failed.oom_kill(1)
        deleted.delete()
        new = story.apply("new", 2, acceleratorType=rack)
        pair.wait_leader(other_than=takeover.leader.name)

    assert (
        failed.wait(lambda job: job.attempt == 2, "attempt 2").attempts[0]["cause"] == "OOMKilled"
    )
    new.wait_pods(lambda pods: len(pods) == 2, "its gang")
    deleted.wait_gone()
    standby.tap.go_on()
    for job in (failed, new):
        job.wait_phase("Running")


def test_new_leader_settles_provisional_cause(story: Story, pair: Pair, racks: Racks) -> None:
    """An earlier failure appears while the attempt's pods are being deleted, and replaces the cause."""
    takeover = Takeover(pair, pair.wait_leader(), KILLED)
    job = story.apply("job", 4, acceleratorType=racks.build(nodes=4))
    job.wait_phase("Running")
    culprit = job.rank(3)
    job.abandon(culprit)
    job.kill(1, 1)
    provisional = job.wait(lambda job: job.attempt == 2, "the attempt's end").attempts[0]
    assert (provisional["cause"], provisional["rank"]) == ("Exit", 1)
    job.wait_pods(
        lambda pods: any(pod.uid == culprit.uid and pod.deleting for pod in pods), "the teardown"
    )

    takeover.happen(story)
    job.exits(culprit, 137, reason="OOMKilled", at=datetime.now(UTC) - timedelta(minutes=1))

    settled = job.wait(lambda job: job.attempts[0]["cause"] == "OOMKilled", "the true cause")
    assert settled.attempts[0]["rank"] == 3
    story.api.delete(f"{story.core}/pods/{culprit.name}", {"gracePeriodSeconds": 0})
    assert job.wait_phase("Running", attempt=2).restarts == 1
