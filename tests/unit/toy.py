"""A cluster of a few pods in memory, with an operator that may die anywhere in its pass.

The operator is decide, describe and effects and nothing else; a scheduler, kubelets, a trainer and
a user do what they like in between. Every write is checked against the invariants of docs/invariants.md.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from stargate_operator.decide.chain import decide
from stargate_operator.decide.effects import Effects, effects
from stargate_operator.decide.observed import Notes, Observed
from stargate_operator.decide.plan import NOT_FAILURES
from stargate_operator.model import checkpoints
from stargate_operator.model.assessment import Assessment
from stargate_operator.model.gang import Gang
from stargate_operator.model.gang_index import observe_gang
from stargate_operator.model.pod import FAILED, PENDING, RUNNING, SUCCEEDED, Termination
from stargate_operator.model.reports import (
    CheckpointReport,
    CheckpointState,
    ProgressReport,
    Reports,
)
from stargate_operator.status.describe import count, describe
from stargate_operator.status.size_limit import LIMIT, size
from stargate_operator.status.urgency import Urgency, urgency
from stargate_types import StargateJobStatus
from stargate_types.status import Cause, Checkpoints, Phase
from tests.kit.builders import NOW, GivenJob, GivenPod, blueprint, job, pod, uri

_BLUEPRINT = blueprint(job())


def _begun(status: StargateJobStatus) -> int:
    """The latest attempt whose pods may be made."""
    return max((each.number for each in status.attempts if each.accelerator_class), default=0)


@dataclass
class Toy:
    job: GivenJob
    dice: Random
    nodes: int
    now: datetime = NOW
    pods: dict[str, GivenPod] = field(default_factory=dict)
    failed_since: dict[int, datetime] = field(default_factory=dict)
    progress: ProgressReport | None = None
    reports: list[CheckpointReport] = field(default_factory=list)
    damaged: set[str] = field(default_factory=set)
    complete: set[str] = field(default_factory=set)
    causes: dict[int, Cause] = field(default_factory=dict)
    writes: int = 0
    faults: bool = True

    # The operator

    def operate(self) -> bool:
        """One pass; whether it wrote or did anything. It may die after the write, or amid effects."""
        seen = self.observed()
        status = describe(seen, decide(seen))
        how = urgency(self.job.status, status)
        lazy = how in (Urgency.SOON, Urgency.LATER) and self.faults and self.dice.random() < 0.5
        if how is not Urgency.NOTHING and not lazy:
            self.write(seen, status)
        if self.faults and self.dice.random() < 0.1:
            return True
        return self.apply(effects(self.observed())) or how is not Urgency.NOTHING

    def observed(self) -> Observed:
        attempt = self.job.status.attempt
        gang, previous_pods = observe_gang(
            self.pods.values(),
            namespace=self.job.metadata.namespace,
            attempt=attempt,
            world_size=self.job.current_world_size,
        )
        if gang.failed:
            self.failed_since.setdefault(attempt, self.now)
        return Observed(
            job=self.job,
            now=self.now,
            placement=Assessment(_BLUEPRINT),
            gang=gang,
            previous_pods=previous_pods,
            reports=Reports(self.progress, tuple(self.reports)),
            notes=Notes(failed_since=self.failed_since.get(attempt)),
        )

    def write(self, seen: Observed, status: StargateJobStatus) -> None:
        wire = status.model_dump_json(by_alias=True, exclude_none=True)
        before, after = self.job.status, StargateJobStatus.model_validate_json(wire)
        self.check(before, after, seen.gang)
        self.job = self.job.now(after)
        self.writes += 1
        self.settle(after)

    def settle(self, status: StargateJobStatus) -> None:
        """The ledger forgets what stands, and what earlier attempts said."""
        found = status.checkpoints
        stands = {(each.uri, each.state) for each in found.history} if found else set()
        self.reports = [
            each
            for each in self.reports
            if (each.uri, each.state) not in stands and each.attempt == status.attempt
        ]
        if self.progress and self.progress.attempt != status.attempt:
            self.progress = None

    def apply(self, wanted: Effects) -> bool:
        for doomed in wanted.delete[: self.some(len(wanted.delete))]:
            self.delete(doomed.pod.name)
        for rank in wanted.create[: self.some(len(wanted.create))]:
            self.create(rank)
        return bool(wanted.delete or wanted.create)

    def some(self, number: int) -> int:
        return self.dice.randint(0, number) if self.faults else number

    def create(self, rank: int) -> None:
        status, attempt = self.job.status, self.job.status.attempt
        assert status.phase is not None
        assert not status.phase.finished, "a finished job makes no pods (7)"
        fresh = pod(rank, attempt=attempt)
        live = [each for each in self.pods.values() if each.alive]
        assert all(each.rank != rank for each in live), "two live pods of one rank (1)"
        assert all(each.attempt == attempt for each in live), "an old gang is alive (2)"
        if fresh.name not in self.pods:
            self.pods[fresh.name] = fresh.but(uid=f"{fresh.name}-{self.now.timestamp()}")

    def delete(self, name: str) -> None:
        found = self.pods[name]
        if found.alive and found.node:
            self.pods[name] = found.deleted()
        else:
            del self.pods[name]

    # What must hold of every write

    def check(self, before: StargateJobStatus, after: StargateJobStatus, gang: Gang) -> None:
        assert size(after) <= LIMIT
        assert after.attempt >= before.attempt, "attempts go back (5)"
        assert after.attempt - before.attempt <= 1
        assert after.restarts >= before.restarts, "restarts go back (5)"
        assert before.phase is None or not before.phase.finished or before.phase is after.phase, (
            "a terminal state does not stick (7)"
        )
        self.check_counts(before, after, gang)
        self.check_causes(after)
        self.check_checkpoints(before, after)

    def check_counts(self, before: StargateJobStatus, after: StargateJobStatus, gang: Gang) -> None:
        if after.attempt == before.attempt:
            assert after.workers == count(gang), "the counts are not the pods' (8)"
        else:
            assert after.workers is not None
            assert (after.workers.created, after.workers.running) == (0, 0)
        if after.phase is Phase.RUNNING:
            assert gang.all_running, "it does not run (8)"

    def check_causes(self, after: StargateJobStatus) -> None:
        """Each ended attempt is one restart if it failed, whatever its cause turns out to be."""
        for each in after.attempts:
            if each.cause is not None and each.number < after.attempt:
                self.causes[each.number] = each.cause
        failures = [cause for cause in self.causes.values() if cause not in NOT_FAILURES]
        assert after.restarts == len(failures), "a failure counts once (5)"
        assert [each.number for each in after.attempts] == list(
            range(after.attempt - len(after.attempts) + 1, after.attempt + 1)
        )

    def check_checkpoints(self, before: StargateJobStatus, after: StargateJobStatus) -> None:
        old = checkpoints.complete(before.checkpoints)
        new = checkpoints.complete(after.checkpoints)
        sound = [each.epoch for each in old if each.uri not in self.damaged]
        newest = max((each.epoch for each in new), default=-1)
        assert newest >= max(sound, default=-1), "the checkpoint goes back (5)"
        if _begun(after) > _begun(before) and after.checkpoints:
            self.check_resume(after.checkpoints)

    def check_resume(self, found: Checkpoints) -> None:
        if found.restored_from is None:
            return
        place, stands = found.restored_from.uri, {each.uri: each.state for each in found.history}
        assert place in self.complete, "resumed from what was never complete (6)"
        assert stands[place] == "Complete", "resumed from what is damaged (6)"

    # Everybody else

    def schedule(self) -> None:
        for each in self.current(PENDING):
            if each.node or each.deleting:
                continue
            taken = sum(1 for other in self.pods.values() if other.node and other.alive)
            if taken < self.nodes:
                stamp = self.now.timestamp()
                self.put(each.but(node=f"node-{taken}", scheduled_at=stamp))
            else:
                self.put(each.unschedulable())

    def start(self) -> None:
        for each in self.current(PENDING):
            if each.node and not each.deleting and self.dice.random() < 0.7:
                self.put(each.but(phase=RUNNING, ready=True))

    def reap(self) -> None:
        """Grace periods end: some containers die as Failed first, as kubelets report it."""
        for each in [each for each in self.pods.values() if each.deleting]:
            if each.alive and self.dice.random() < 0.3:
                self.end(each, self.dice.choice([0, 143, 137]))
            else:
                del self.pods[each.name]

    def train(self) -> None:
        """Rank 0 gets on, and saves now and then."""
        found = self.job.status.checkpoints
        restored = found.restored_from if found else None
        first = (restored.epoch or 0) if restored else 0
        leader = self.pods.get(pod(0, attempt=self.job.status.attempt).name)
        if leader is None or leader.phase != RUNNING or leader.deleting:
            return
        known = self.progress.epoch if self.progress else None
        epoch = (first if known is None else known) + 1
        attempt = self.job.status.attempt
        self.progress = ProgressReport(attempt, 0, epoch, None, (), self.now)
        state: CheckpointState = self.dice.choice(["Writing", "Complete", "Complete"])
        self.say(epoch, uri(epoch, attempt), state)

    def say(self, epoch: int, place: str, state: CheckpointState) -> None:
        attempt = self.job.status.attempt
        if self.job.status.attempts and self.job.status.attempts[-1].accelerator_class:
            self.reports.append(CheckpointReport(attempt, epoch, place, 1, state, self.now))
            if state == "Complete":
                self.complete.add(place)
            elif state == "Damaged":
                self.damaged.add(place)

    def doubt(self) -> None:
        """Some rank finds a checkpoint damaged, often the one that it was restored from."""
        found = self.job.status.checkpoints
        if found and found.history:
            which = self.dice.choice(found.history)
            self.say(which.epoch, which.uri, "Damaged")

    def break_one(self) -> None:
        running = self.current(RUNNING)
        if running:
            self.end(self.dice.choice(running), self.dice.choice([1, 137, 255]))

    def lose_a_node(self) -> None:
        held = [each for each in self.pods.values() if each.node and each.alive]
        if held:
            lost = self.dice.choice(held)
            self.put(lost.but(phase=FAILED, ready=False, disruption="DeletionByTaintManager"))

    def remove_one(self) -> None:
        if self.pods:
            name = self.dice.choice(list(self.pods))
            self.delete(name)

    def finish(self) -> None:
        for each in self.current(RUNNING):
            if not each.deleting:
                self.end(each, 0)

    def suspend(self) -> None:
        self.job = self.job.but(suspend=True)

    def resume(self) -> None:
        self.job = self.job.but(suspend=False)

    def wait(self) -> None:
        self.now += timedelta(seconds=self.dice.choice([0.1, 0.5, 1.0, 5.0, 30.0]))

    def end(self, which: GivenPod, code: int) -> None:
        reason = "OOMKilled" if code == 137 and self.dice.random() < 0.5 else ""
        ended = Termination(code, reason=reason, finished_at=float(int(self.now.timestamp())))
        phase = FAILED if code else SUCCEEDED
        self.put(which.but(phase=phase, ready=False, terminated=ended))

    def current(self, phase: str) -> list[GivenPod]:
        return [each for each in self.pods.values() if each.phase == phase]

    def put(self, changed: GivenPod) -> None:
        self.pods[changed.name] = changed

    # A run

    def live_through(self, steps: int) -> None:
        calm: list[tuple[Callable[[], object], int]] = [
            (self.operate, 40),
            (self.schedule, 15),
            (self.start, 15),
            (self.reap, 15),
            (self.wait, 10),
            (self.train, 15),
        ]
        wild: list[tuple[Callable[[], object], int]] = [
            (self.break_one, 3),
            (self.lose_a_node, 1),
            (self.remove_one, 2),
            (self.doubt, 3),
            (self.suspend, 1),
            (self.resume, 8),
            (self.finish, 1),
        ]
        acts, weights = zip(*calm, *wild, strict=True)
        for act in self.dice.choices(acts, weights, k=steps):
            act()

    def come_to_rest(self) -> None:
        """No more faults: what the job was begun for is finished now."""
        self.faults = False
        self.job = self.job.but(suspend=False)
        for _ in range(60):
            self.now += timedelta(seconds=31)
            for act in (self.reap, self.schedule, self.start, self.operate, self.operate):
                act()
            phase = self.job.status.phase
            if phase is Phase.RUNNING:
                self.finish()
            if phase is not None and phase.finished:
                break
        while self.operate() or any(each.deleting for each in self.pods.values()):
            self.reap()
