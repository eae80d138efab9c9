"""Random faults of nodes, ranks, checkpoints, requests and the operator, and random acts of users.

A seeded generator decides, so a seed gives the same run each time. `stop` ends all faults.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

from tests.kit.api_server import faults
from tests.kit.api_server.faults import Fault
from tests.kit.cluster.cluster import Cluster
from tests.kit.cluster.jobs import JobStory
from tests.kit.recorder.history import Pod

Act = Callable[[], Awaitable[None] | None]

_FAULTS: tuple[Fault, ...] = (
    faults.LOST,
    faults.ANSWER_LOST,
    faults.UNHEARD,
    faults.UNANSWERED,
    faults.too_many(),
    faults.broken(),
    faults.delayed(before=1.0),
    faults.delayed(after=3.0),
)
_VERBS = ("create", "update", "delete", "get", "list", "watch")
_CODES = (1, 137, 143, 255)


class Chaos:
    def __init__(self, cluster: Cluster, job: JobStory, dice: Random) -> None:
        self._cluster = cluster
        self._job = job
        self._dice = dice
        self._silent: list[str] = []
        self.happened: Counter[str] = Counter()
        self.damaged: set[str] = set()
        """The URIs of checkpoints that a rank reported as damaged."""

    async def reign(self, seconds: float) -> None:
        acts: dict[Act, int] = {
            self.break_a_rank: 6,
            self.delete_a_pod: 2,
            self.evict_a_rank: 1,
            self.lose_a_node: 2,
            self.return_a_node: 3,
            self.doubt_a_checkpoint: 6,
            self.suspend: 1,
            self.resume: 6,
            self.refuse_requests: 3,
            self.lose_a_watch: 2,
            self.crash_the_operator: 2,
            self.stop_the_operator_for_a_while: 1,
        }
        until = self._cluster.loop.time() + seconds
        while self._cluster.loop.time() < until:
            await asyncio.sleep(self._dice.choice((0.1, 0.5, 2.0, 5.0, 20.0)))
            [act] = self._dice.choices(list(acts), list(acts.values()))
            done = act()
            if done is not None:
                await done

    async def stop(self) -> None:
        """End all faults: nodes return, requests succeed, and an operator runs."""
        self._cluster.server.faults.clear()
        for watch in self._cluster.server.watches:
            watch.release()
        for node in list(self._silent):
            self._cluster.nodes.return_(node)
        self._silent.clear()
        self._job.resume()
        await asyncio.sleep(60)
        if not any(replica.runs for replica in self._cluster.replicas):
            self._cluster.replica()
        await self._cluster.until(lambda: self._cluster.leader, "an operator")

    def break_a_rank(self) -> None:
        pod = self._any(lambda pod: pod.phase == "Running")
        if pod is not None:
            code = self._dice.choice(_CODES)
            reason = "OOMKilled" if code == 137 and self._dice.random() < 0.5 else ""
            self._cluster.kubelets.exit(pod.raw, code, reason=reason)
            self._note("a rank broke")

    def delete_a_pod(self) -> None:
        pod = self._any(lambda pod: pod.live)
        if pod is not None:
            self._cluster.delete_pod(pod, grace=self._dice.choice((0, 1, 2)))
            self._note("a pod was deleted")

    def evict_a_rank(self) -> None:
        pod = self._any(lambda pod: pod.phase == "Running")
        if pod is not None:
            self._cluster.kubelets.fail(pod.raw, reason="Evicted", message="low on disk")
            self._note("a rank was evicted")

    def lose_a_node(self) -> None:
        pod = self._any(lambda pod: bool(pod.node) and pod.node not in self._silent)
        if pod is not None:
            self._cluster.nodes.fall_silent(pod.node)
            self._silent.append(pod.node)
            self._note("a node fell silent")

    def return_a_node(self) -> None:
        if self._silent:
            node = self._silent.pop(self._dice.randrange(len(self._silent)))
            self._cluster.nodes.return_(node)

    async def doubt_a_checkpoint(self) -> None:
        """A rank reports a checkpoint as damaged, often the one that it resumed from."""
        found = self._job.now.checkpoints
        pod = self._any(lambda pod: pod.phase == "Running")
        if not found or pod is None:
            return
        which = self._dice.choice(found)
        worker = self._job.worker_of(pod)
        answer = await worker.saves(which["epoch"], "Damaged", which["uri"])
        if answer.status == 200:
            self.damaged.add(which["uri"])
            self._note("a checkpoint was damaged")

    def suspend(self) -> None:
        self._job.suspend()
        self._note("the job was suspended")

    def resume(self) -> None:
        self._job.resume()

    def refuse_requests(self) -> None:
        which: dict[str, Any] = {
            "verb": self._dice.choice(_VERBS),
            "times": self._dice.randint(1, 4),
        }
        self._cluster.server.strike(
            self._dice.choice(_FAULTS), where=lambda request: request.audited != "leases", **which
        )
        self._note("requests failed")

    async def lose_a_watch(self) -> None:
        watches = [each for each in self._cluster.server.watches if not each.over]
        if not watches:
            return
        watch = self._dice.choice(watches)
        how = self._dice.choice(("hold", "end", "expire", "break", "compact"))
        self._note("a watch was lost")
        if how == "hold":
            watch.hold()
            await asyncio.sleep(self._dice.choice((1.0, 5.0, 20.0)))
            watch.release()
        elif how == "end":
            watch.end()
        elif how == "expire":
            watch.expire()
        elif how == "break":
            watch.break_off()
        else:
            self._cluster.server.compact()
            watch.drop()

    async def crash_the_operator(self) -> None:
        leader = self._cluster.leader
        if leader is not None:
            self._cluster.crash(leader)
            self._note("the operator crashed")
        elif not any(replica.runs for replica in self._cluster.replicas):
            self._cluster.replica()

    async def stop_the_operator_for_a_while(self) -> None:
        leader = self._cluster.leader
        if leader is None:
            return
        self._note("the operator stood still")
        stop, go_on = self._dice.choice(
            ((leader.pause, leader.go_on), (leader.cut_off, leader.reconnect))
        )
        stop()
        await asyncio.sleep(self._dice.choice((1.0, 8.0, 30.0)))
        go_on()

    def _any(self, which: Callable[[Pod], bool]) -> Pod | None:
        state = self._cluster.recorder.state
        pods = [pod for pod in state.pods_of(self._job.uid) if which(pod)]
        pods.sort(key=lambda pod: pod.name)
        return self._dice.choice(pods) if pods else None

    def _note(self, what: str) -> None:
        self.happened[what] += 1
