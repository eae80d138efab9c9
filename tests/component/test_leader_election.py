"""The leader election alone: its API server is cut off or fails, and others change its lease.

`test_takeover.py` has the same faults with whole operators.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from stargate_operator.kube.client import Client
from stargate_operator.runtime.leader_election import LeaderElection, LeaseLost, NotLeading
from tests.kit.api_server.faults import ANSWER_LOST, LOST, UNANSWERED, UNHEARD, Fault, broken
from tests.kit.api_server.network import Network
from tests.kit.api_server.requests import Request
from tests.kit.api_server.resources import LEASES, Key
from tests.kit.api_server.server import ApiServer
from tests.kit.cluster.replica import ENDPOINT

LEASE, DEADLINE, RETRY = 15.0, 10.0, 2.0
JITTER = 1.1
"""A follower may wait so many times its pause."""
LATENCY = 0.002
KEY = Key(LEASES, "ns", "stargate")


class Candidate:
    """One replica's election, on a connection of its own."""

    def __init__(self, server: ApiServer, identity: str) -> None:
        self._loop = asyncio.get_running_loop()
        self.network = Network(server, latency=lambda: LATENCY)
        self.client = Client(
            ENDPOINT,
            user_agent=identity,
            transport=self.network,
            clock=self._loop.time,
            jitter=server.dice.uniform,
        )
        self.election = LeaderElection(
            self.client,
            namespace=KEY.namespace,
            name=KEY.name,
            identity=identity,
            duration=LEASE,
            renew_deadline=DEADLINE,
            retry=RETRY,
            clock=self._loop.time,
            wall_clock=server.now,
            jitter=server.dice.uniform,
        )

    def run(self, callback: Callable[[], Awaitable[None]] | None = None) -> "asyncio.Task[None]":
        return asyncio.create_task(self.election.run(callback or idle))

    async def lead(self) -> "asyncio.Task[None]":
        running = self.run()
        await until(lambda: self.election.is_leader)
        return running


@dataclass
class Candidates:
    server: ApiServer = field(default_factory=lambda: ApiServer(Random(0)))

    def __call__(self, identity: str = "a") -> Candidate:
        return Candidate(self.server, identity)

    @property
    def lease(self) -> dict[str, Any]:
        found = self.server.get(LEASES, KEY.name, KEY.namespace)
        assert found is not None
        return found

    @property
    def holder(self) -> str:
        return str(self.lease["spec"]["holderIdentity"])

    def give_to(self, holder: str) -> None:
        self.server.patch(KEY, {"spec": {"holderIdentity": holder}}, agent=holder)


@pytest.fixture
async def candidates() -> Candidates:
    return Candidates()


async def idle() -> None:
    await asyncio.Event().wait()


def now() -> float:
    return asyncio.get_running_loop().time()


async def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - time is virtual, and any part may change it
            await asyncio.sleep(0.01)


async def stop(*tasks: "asyncio.Task[None]") -> None:
    """As a clean end does before the release, or as a kill does without one."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_candidate_may_not_write_before_it_leads(candidates: Candidates) -> None:
    with pytest.raises(NotLeading):
        candidates().election.guard()


async def test_leader_renews_as_long_as_it_runs(candidates: Candidates) -> None:
    leader, follower = candidates("a"), candidates("b")
    tasks = [await leader.lead(), follower.run()]

    await asyncio.sleep(20 * LEASE)

    leader.election.guard()
    assert (candidates.holder, follower.election.is_leader) == ("a", False)
    await stop(*tasks)


async def test_released_lease_is_taken_at_once(candidates: Candidates) -> None:
    leader, follower = candidates("a"), candidates("b")
    leading, following = await leader.lead(), follower.run()
    await asyncio.sleep(LEASE)

    await stop(leading)
    await leader.election.release()
    released = now()
    with pytest.raises(NotLeading):
        leader.election.guard()

    await until(lambda: follower.election.is_leader)
    assert now() - released < RETRY * JITTER + 0.1
    assert candidates.lease["spec"]["leaseTransitions"] == 2
    await stop(following)


async def test_lease_is_released_after_a_renewal_without_answer(candidates: Candidates) -> None:
    leader = candidates()
    leading = await leader.lead()
    rule = candidates.server.strike(UNANSWERED, verb="update", resource="leases")
    await until(lambda: rule.struck > 0)
    await asyncio.sleep(2 * LATENCY)

    await stop(leading)
    candidates.server.faults.clear()
    await leader.election.release()

    assert candidates.holder == ""


async def test_killed_leader_is_replaced_after_its_lease(candidates: Candidates) -> None:
    leader, follower = candidates("a"), candidates("b")
    leading, following = await leader.lead(), follower.run()
    await asyncio.sleep(10 * RETRY)

    await stop(leading)
    killed = now()
    await until(lambda: candidates.holder == "b")

    assert LEASE - RETRY * JITTER <= now() - killed <= LEASE + RETRY * JITTER
    assert not leader.election.is_leader
    await stop(following)


@pytest.mark.parametrize("fault", [LOST, UNHEARD, UNANSWERED, broken()], ids=lambda f: f.kind)
async def test_leader_cut_off_ends_before_its_lease(candidates: Candidates, fault: Fault) -> None:
    leader = candidates()
    leading = await leader.lead()
    candidates.server.strike(fault)
    began = now()

    with pytest.raises(LeaseLost):
        await leading

    assert now() - began < LEASE
    with pytest.raises(NotLeading):
        leader.election.guard()


@pytest.mark.parametrize("fault", [LOST, UNHEARD, ANSWER_LOST, broken()], ids=lambda f: f.kind)
async def test_one_failed_renewal_loses_no_lease(candidates: Candidates, fault: Fault) -> None:
    leader = candidates()
    leading = await leader.lead()
    rule = candidates.server.strike(fault, verb="update", times=1)

    await until(lambda: rule.struck == 1)
    await asyncio.sleep(2 * LEASE)

    leader.election.guard()
    await stop(leading)


async def test_annotation_of_others_stays_on_the_lease(candidates: Candidates) -> None:
    leader = candidates()
    leading = await leader.lead()

    candidates.server.patch(KEY, {"metadata": {"annotations": {"a": "b"}}}, agent="somebody")
    await asyncio.sleep(2 * LEASE)

    leader.election.guard()
    assert candidates.lease["metadata"]["annotations"] == {"a": "b"}
    await stop(leading)


async def test_lease_taken_by_another_is_lost_at_once(candidates: Candidates) -> None:
    leader = candidates()
    leading = await leader.lead()
    candidates.give_to("thief")
    began = now()

    with pytest.raises(LeaseLost, match="thief"):
        await leading

    assert now() - began < 2 * RETRY
    assert not leader.election.is_leader
    await leader.election.release()
    assert candidates.holder == "thief"


async def test_deleted_lease_is_lost(candidates: Candidates) -> None:
    leading = await candidates().lead()
    candidates.server.delete(KEY, agent="somebody")
    with pytest.raises(LeaseLost, match="deleted"):
        await leading


async def test_one_of_many_followers_leads(candidates: Candidates) -> None:
    everybody = [candidates(f"c{number}") for number in range(10)]
    running = [candidate.run() for candidate in everybody]

    for _ in range(200):
        await asyncio.sleep(0.01)
        assert sum(candidate.election.is_leader for candidate in everybody) <= 1

    assert sum(candidate.election.is_leader for candidate in everybody) == 1
    await stop(*running)


async def test_error_of_the_callback_ends_the_election(candidates: Candidates) -> None:
    async def broken_callback() -> None:
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        await candidates().run(broken_callback)


async def test_callback_ends_before_the_election(candidates: Candidates) -> None:
    ended = asyncio.Event()

    async def writers() -> None:
        try:
            await idle()
        finally:
            ended.set()

    leader = candidates()
    leading = leader.run(writers)
    await until(lambda: leader.election.is_leader)
    candidates.give_to("thief")

    with pytest.raises(LeaseLost):
        await leading
    assert ended.is_set()


async def test_lease_counts_from_before_its_request(candidates: Candidates) -> None:
    """The answer takes three seconds. A write needs the margin: lease less deadline."""
    leader = candidates()
    asked: list[float] = []

    def ask(request: Request) -> None:
        asked.append(now() - LATENCY)
        del request

    candidates.server.strike(
        Fault("delayed", after=3.0), verb="create", resource="leases", times=1, before=ask
    )
    leading = await leader.lead()
    candidates.server.strike(UNHEARD)

    await asyncio.sleep(asked[0] + DEADLINE - 0.1 - now())
    leader.election.guard()
    await asyncio.sleep(0.2)
    assert leader.election.is_leader
    with pytest.raises(NotLeading):
        leader.election.guard()
    await stop(leading)
