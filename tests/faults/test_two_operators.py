"""Two operators at once: one leads and writes, the other waits, ready to take over.

What is expected of them: nobody writes who does not hold the lease (the recorder reads the API
server's audit log), a dead leader is followed within its lease, and one that was frozen past its
lease writes nothing more when it wakes, and ends.
"""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from stargate_lab.control_plane import ControlPlane
from stargate_lab.operator_process import OperatorProcess
from tests.faults.lab import Lab
from tests.faults.workers import insist
from tests.integration.racks import Racks
from tests.integration.story import Story, eventually
from tests.recorder import Recorder

LEASE = 7.0
SHORT_LEASE = {
    "STARGATE_LEASE_DURATION_SECONDS": f"{LEASE:g}",
    "STARGATE_LEASE_RENEW_DEADLINE_SECONDS": "2",
    "STARGATE_LEASE_RETRY_SECONDS": "0.5",
}
"""A write must end before the lease does: 5 s are left for it."""
TAKEN_OVER = LEASE + 3.0


@dataclass
class Pair:
    plane: ControlPlane
    replicas: dict[str, OperatorProcess]

    @property
    def holder(self) -> str:
        leases = "/apis/coordination.k8s.io/v1/namespaces/stargate-system/leases"
        spec = self.plane.api.get(f"{leases}/stargate-operator")["spec"]
        return str(spec.get("holderIdentity") or "")

    def wait_leader(self, seconds: float = TAKEN_OVER, *, other_than: str = "") -> OperatorProcess:
        wanted = self.replicas.keys() - {other_than}
        holder = eventually(
            lambda: holder if (holder := self.holder) in wanted else "",
            f"one of {', '.join(sorted(wanted))} holding the lease",
            seconds,
        )
        return self.replicas[holder]


@pytest.fixture(scope="module")
def replicas(lab: Lab) -> Iterator[dict[str, OperatorProcess]]:
    lab.operator.stop()
    names = ("alpha", "beta")
    replicas = {name: lab.another_operator(name, SHORT_LEASE) for name in names}
    yield replicas
    for replica in replicas.values():
        replica.stop()


@pytest.fixture
def pair(lab: Lab, replicas: dict[str, OperatorProcess]) -> Pair:
    """Both run, whatever the test before did to them."""
    fallen = [replica for replica in replicas.values() if not replica.pid]
    for replica in fallen:
        replica.start(wait=False)
    for replica in fallen:
        replica.wait_ready()
    return Pair(lab.plane, replicas)


@pytest.fixture
def story(pair: Pair, namespace: str, recorder: Recorder) -> Story:
    return Story(pair.plane.api, namespace, recorder, pair.wait_leader())


def writers(story: Story) -> set[str]:
    asked = story.recorder.requests()
    return {each.agent for each in asked if each.writes and each.namespace == story.namespace}


def last_write(story: Story, agent: str) -> float:
    asked = story.recorder.requests()
    return max(e.began for e in asked if e.agent == agent and e.writes and e.code < 300)


def test_a_killed_leader_is_followed_within_its_lease(
    story: Story, pair: Pair, racks: Racks
) -> None:
    leader = pair.wait_leader()
    rack = racks.build(nodes=40)
    job = story.apply("job", 40, acceleratorType=rack)
    job.wait_phase("Running")
    insist(job.worker(), 5)
    assert writers(story) == {leader.name}
    job.oom_kill(7)
    job.wait_pods(lambda pods: any(pod.attempt == 2 for pod in pods), "attempt 2 being created")

    with story.recorder.interrupted():
        leader.kill()
        killed = time.monotonic()
        successor = pair.wait_leader(other_than=leader.name)
        assert time.monotonic() - killed < TAKEN_OVER

    again = job.wait_phase("Running", attempt=2)
    assert (again.restarts, again.attempts[1]["restoredEpoch"]) == (1, 5)
    assert writers(story) == {leader.name, successor.name}
    job.finish()
    job.wait_phase("Succeeded")


def test_a_leader_that_slept_past_its_lease_writes_nothing_more_and_ends(
    story: Story, pair: Pair, racks: Racks
) -> None:
    leader = pair.wait_leader()
    job = story.apply("job", 80, acceleratorType=racks.build(nodes=80))
    job.wait_pods(lambda pods: len(pods) >= 10, "a gang in the middle of its creation")

    with story.recorder.interrupted():
        os.kill(leader.pid, signal.SIGSTOP)
        successor = pair.wait_leader(other_than=leader.name)
    taken_over = time.time()
    assert job.wait_phase("Running").attempt == 1
    os.kill(leader.pid, signal.SIGCONT)

    eventually(lambda: not leader.pid, "the old leader to end", 5)
    assert "lease" in leader.log_tail(5)
    assert last_write(story, leader.name) < taken_over
    job.finish()
    job.wait_phase("Succeeded")
    assert pair.holder == successor.name


def test_a_leader_that_is_told_to_stop_hands_over_at_once(
    story: Story, pair: Pair, racks: Racks
) -> None:
    leader = pair.wait_leader()
    job = story.apply("job", 4, acceleratorType=racks.build(nodes=4))
    job.wait_phase("Running")

    with story.recorder.interrupted():
        leader.stop()
        stopped = time.monotonic()
        pair.wait_leader(other_than=leader.name)
        assert time.monotonic() - stopped < LEASE / 2

    job.oom_kill(1)
    job.wait_phase("Running", attempt=2)
