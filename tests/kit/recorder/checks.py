"""Checks of the invariants in docs/invariants.md. A check sees every write in order, and the time.

A check is stateful, so each history needs new checks.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from typing import ClassVar

from stargate_operator.model.ranks import ranks_of
from tests.kit.recorder.history import (
    History,
    Job,
    Json,
    Pod,
    Request,
    State,
    Write,
    age,
    place,
    position,
)

BEHIND_SECONDS = 2.5
"""How far a status may be behind the pods: 2 s, and a margin for the recorder's own watches."""
STALE_SECONDS = 4.0
"""How long a change of the pods may be missing in the status, on a busy machine."""
TEARDOWN_SECONDS = 20.0
ORPHAN_SECONDS = 60.0
UNSEEN_SECONDS = 2.0
"""How long an operator may act before it sees that a job is gone."""
SPEECHLESS_SECONDS = 10.0
IN_WRITING_SECONDS = 0.05
"""How long a status may be on its way: what is shown meanwhile is not in it."""
IN_FLIGHT_SECONDS = 30.0
"""How long a create may be on its way: the client repeats one that was not answered."""

NO_FAILURES = frozenset(
    {"StartTimeout", "Yielded", "Suspended", "Succeeded", "RuntimeChanged", "NodeReturned"}
)
"""Causes that `status.restarts` does not count."""

SECRET = re.compile(r"eyJ[\w-]{8,}\.[\w-]{8,}|-----BEGIN [A-Z ]*PRIVATE KEY")

Gang = tuple[str, int]
"""The UID of a job, and an attempt."""


@dataclass(frozen=True)
class Breach:
    invariant: int
    what: str
    at: float
    job_uid: str = ""
    write: Write | None = None


@dataclass(frozen=True)
class Step:
    """A write, the object before it, and the state after it.

    `write.at` is on the acting clock; `at` is on the plain one, as the times of requests are.
    """

    write: Write
    was: Write | None
    state: State
    at: float


class Check:
    """The check of one invariant. It is stateful, so each history needs a new one."""

    invariant: ClassVar[int]
    patience = 1.0
    clocks_differ_by = UNSEEN_SECONDS
    """The time of a request may be so much earlier than that of a write before it."""
    acting: Callable[[float], float] = staticmethod(float)
    """Converts the time of a request to the clock of the writes (`History.acting`)."""

    def see(self, step: Step) -> Iterator[Breach]:
        del step
        yield from ()

    def pass_time(self, state: State, now: float) -> Iterator[Breach]:
        del state, now
        yield from ()

    def audit(self, requests: list[Request]) -> Iterator[Breach]:
        del requests
        yield from ()

    def breach(self, write: Write, what: str) -> Breach:
        return Breach(self.invariant, what, write.at, write.job_uid, write)

    def timed(self, now: float, job_uid: str, what: str) -> Breach:
        return Breach(self.invariant, what, now, job_uid)


def check(history: History) -> list[Breach]:
    """All breaches in the order of time. A gap is a breach too, because it proves nothing."""
    lost = [Breach(0, f"lost {gap.kind} writes: {gap.why}", gap.at) for gap in history.gaps]
    checks = [kind() for kind in CHECKS]
    for check in checks:
        check.patience = history.patience
        check.clocks_differ_by = 0.0 if history.one_clock else UNSEEN_SECONDS
        check.acting = history.acting
    found = [*lost, *_replay(history, checks)]
    for check in checks:
        found.extend(check.audit(history.requests))
    return sorted(found, key=lambda breach: breach.at)


def _replay(history: History, checks: list[Check]) -> Iterator[Breach]:
    state = State()
    for recorded in history.writes:
        write = _on_acting_time(history, recorded)
        for check in checks:
            yield from check.pass_time(state, write.at)
        was = state.objects.get(write.uid)
        state.apply(write)
        for check in checks:
            yield from check.see(Step(write, was, state, at=recorded.at))
    for check in checks:
        yield from check.pass_time(state, history.acting(history.until))


def _on_acting_time(history: History, write: Write) -> Write:
    if not history.interruptions and not history.standstills:
        return write
    acting = history.acting(write.at)
    return Write(write.verb, write.kind, write.version, acting, write.object)


class OneOfEachRank(Check):
    """1. Never two live pod objects of one job with the same rank."""

    invariant = 1

    def see(self, step: Step) -> Iterator[Breach]:
        write, pod = step.write, step.write.pod
        if not pod or not pod.owner or not pod.live or write.verb == "DELETED":
            return
        for other in step.state.pods_of(pod.owner):
            if other.uid != pod.uid and other.live and other.rank == pod.rank:
                yield self.breach(write, f"{pod.name} and {other.name} are both live")


@dataclass
class _PodsByName:
    """A request names a pod; a later pod may have the same name."""

    pods: dict[str, list[tuple[float, Pod]]] = field(default_factory=dict)
    """By namespace and name: the pods that had the name one after another, and since when."""

    def note(self, step: Step) -> None:
        pod = step.write.pod
        if pod and pod.owner and step.write.verb in ("ADDED", "FOUND"):
            key = f"{step.write.object['metadata']['namespace']}/{pod.name}"
            self.pods.setdefault(key, []).append((step.at, pod))

    def named_in(self, request: Request) -> Pod | None:
        known = self.pods.get(f"{request.namespace}/{request.name}", [])
        return next((pod for at, pod in reversed(known) if at <= request.began), None)


@dataclass
class GivenUpOnLostNodes(Check):
    """2. A pod's object goes before its worker has ended only if its node is lost, and its job says so
    first. Otherwise the worker would run on beside its successor."""

    invariant = 2
    pods: _PodsByName = field(default_factory=_PodsByName)
    nodes: dict[str, str] = field(default_factory=dict)
    """By the UID of a pod."""
    listed: dict[tuple[str, str], float] = field(default_factory=dict)
    gone: dict[str, float] = field(default_factory=dict)

    def see(self, step: Step) -> Iterator[Breach]:
        write, pod, job = step.write, step.write.pod, step.write.job
        self.pods.note(step)
        if pod and pod.node:
            self.nodes[pod.uid] = pod.node
        if job and (write.verb == "DELETED" or job.deleting or job.finished):
            self.gone.setdefault(job.uid, write.at)  # no successor will come
        if job:
            for name in job.avoided_nodes:
                self.listed.setdefault((job.uid, name), write.at)
        yield from ()

    def audit(self, requests: list[Request]) -> Iterator[Breach]:
        for request in requests:
            if (request.verb, request.resource, request.grace) != ("delete", "pods", 0):
                continue
            pod = self.pods.named_in(request)
            if pod is None:
                continue
            node = self.nodes.get(pod.uid, "")
            allowed = min(self.listed.get((pod.owner, node), inf), self.gone.get(pod.owner, inf))
            if allowed > self.acting(request.ended) + UNSEEN_SECONDS:
                what = f"{pod.name} was deleted without grace, and {node} is not said to be lost"
                yield Breach(self.invariant, what, request.began, pod.owner)


@dataclass
class OneChildOfEachRank(Check):
    """1. A rank of an attempt is made once: a second pod could run beside the first one on a node that
    is cut off. A pod that never ran may be made again."""

    invariant = 1
    ran: dict[tuple[str, int, int], str] = field(default_factory=dict)
    """The UID of the first pod of a rank that ran, once a status has counted it: an operator that dies
    before that cannot tell the next one."""

    def see(self, step: Step) -> Iterator[Breach]:
        write, pod, job = step.write, step.write.pod, step.write.job
        if job and job.status:
            self._note(job, step.state)
        if pod and pod.owner and write.verb == "ADDED":
            rank = (pod.owner, pod.attempt, pod.rank)
            if self.ran.get(rank, pod.uid) != pod.uid:
                yield self.breach(write, f"{pod.name} is made again, and the first one has run")
        elif pod and pod.owner and write.verb == "DELETED":
            self._forget_untold(pod, step.state)

    def _forget_untold(self, gone: Pod, state: State) -> None:
        """With more pods left than the status counts, the status does not show that one is missing."""
        job = state.job(gone.owner)
        left = sum(pod.attempt == gone.attempt for pod in state.pods_of(gone.owner))
        if job and job.attempt == gone.attempt and left >= job.workers.get("created", 0):
            self.ran.pop((gone.owner, gone.attempt, gone.rank), None)

    def _note(self, job: Job, state: State) -> None:
        pods = [pod for pod in state.pods_of(job.uid) if pod.attempt == job.attempt]
        if job.workers.get("created", 0) >= len(pods):
            for pod in pods:
                if pod.phase != "Pending":
                    self.ran.setdefault((pod.owner, pod.attempt, pod.rank), pod.uid)


@dataclass
class EffectsFollowTheStatus(Check):
    """2. The status says it first: a pod is made for the current attempt alone, and is deleted when
    its attempt is over, its job is suspended, has ended or goes. What is done before it is written
    would be done twice after a crash."""

    invariant = 2
    pods: _PodsByName = field(default_factory=_PodsByName)
    over: dict[Gang, float] = field(default_factory=dict)
    """Since when the pods of an attempt may be deleted, on the plain clock."""
    gone: dict[str, float] = field(default_factory=dict)

    def see(self, step: Step) -> Iterator[Breach]:
        write, pod, job = step.write, step.write.pod, step.write.job
        self.pods.note(step)
        if pod and pod.owner and write.verb == "ADDED":
            yield from self._created(step, pod, step.state.job(pod.owner))
        if job:
            self._note(write.verb, job, step.at)

    def _created(self, step: Step, pod: Pod, job: Job | None) -> Iterator[Breach]:
        """A create may be on its way when the status turns to the next attempt."""
        late = step.at - self.over.get((pod.owner, pod.attempt), step.at) > IN_FLIGHT_SECONDS
        if job and (job.attempt < pod.attempt or (job.attempt > pod.attempt and late)):
            what = f"{pod.name} was created in attempt {job.attempt}"
            yield self.breach(step.write, what)

    def _note(self, verb: str, job: Job, at: float) -> None:
        if verb == "DELETED" or job.deleting or job.finished:
            self.gone.setdefault(job.uid, at)
        for number in range(1, job.attempt):
            self.over.setdefault((job.uid, number), at)
        if job.phase == "Suspended":
            self.over.setdefault((job.uid, job.attempt), at)

    def audit(self, requests: list[Request]) -> Iterator[Breach]:
        for request in requests:
            if request.verb != "delete" or request.resource != "pods" or request.code >= 300:
                continue
            pod = self.pods.named_in(request)
            if pod is None:
                continue
            over = self.over.get((pod.owner, pod.attempt), inf)
            since = min(over, self.gone.get(pod.owner, inf))
            if since > request.ended + self.clocks_differ_by:
                what = f"{pod.name} was deleted, and no status says that its attempt is over"
                yield Breach(self.invariant, what, request.began, pod.owner)


class OneAttemptAtATime(Check):
    """2. No pod of attempt a+1 is created while one of attempt a is non-terminal."""

    invariant = 2

    def see(self, step: Step) -> Iterator[Breach]:
        write, pod = step.write, step.write.pod
        if not pod or not pod.owner or write.verb != "ADDED":
            return
        others = step.state.pods_of(pod.owner)
        older = [other.name for other in others if other.live and other.attempt < pod.attempt]
        if older:
            yield self.breach(write, f"{pod.name} was created while {', '.join(older)} lived")


@dataclass
class OwnersLive(Check):
    """3. A pod is created only for a job that exists, and is gone within 60 s after its job."""

    invariant = 3
    gone: dict[str, float] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    told: set[str] = field(default_factory=set)

    def see(self, step: Step) -> Iterator[Breach]:
        write = step.write
        if write.job:
            self._note(write, write.job)
        elif write.pod and write.pod.owner and write.verb == "ADDED":
            yield from self._created(write, write.pod)

    def _note(self, write: Write, job: Job) -> None:
        self.known.add(job.uid)
        if write.verb == "DELETED" or job.deleting:
            self.gone.setdefault(job.uid, write.at)

    def _created(self, write: Write, pod: Pod) -> Iterator[Breach]:
        if pod.owner not in self.known:
            yield self.breach(write, f"{pod.name} was created for a job that never was")
        since = self.gone.get(pod.owner, write.at)
        if write.at - since > UNSEEN_SECONDS:
            yield self.breach(
                write, f"{pod.name} was created {write.at - since:.1f} s after its job went"
            )

    def pass_time(self, state: State, now: float) -> Iterator[Breach]:
        for uid, since in self.gone.items():
            if now - since <= ORPHAN_SECONDS or uid in self.told or state.job(uid):
                continue
            left = ", ".join(pod.name for pod in state.pods_of(uid))
            if left:
                self.told.add(uid)
                yield self.timed(now, uid, f"{left} stayed {now - since:.0f} s after the job")


@dataclass
class AllOrNothing(Check):
    """4. No gang stays partly scheduled past its start timeout plus the time for teardown."""

    invariant = 4
    partly: dict[Gang, float] = field(default_factory=dict)
    whole: set[Gang] = field(default_factory=set)

    def see(self, step: Step) -> Iterator[Breach]:
        pod, state = step.write.pod, step.state
        job = state.job(pod.owner) if pod else None
        if not pod or not job:
            return
        gang = (job.uid, pod.attempt)
        ranks = (other for other in state.pods_of(job.uid) if other.attempt == pod.attempt)
        holding = [rank for rank in ranks if rank.node and rank.live]
        if len(holding) >= job.world_size:
            self.whole.add(gang)
        if gang in self.whole or not holding:
            self.partly.pop(gang, None)
        elif gang not in self.partly or (pod.node and _had_no_node(step.was)):
            self.partly[gang] = step.write.at
        yield from ()

    def pass_time(self, state: State, now: float) -> Iterator[Breach]:
        for gang, since in list(self.partly.items()):
            job = state.job(gang[0])
            if job is None or now - since <= job.start_timeout + TEARDOWN_SECONDS:
                continue
            del self.partly[gang]
            self.whole.add(gang)
            yield self.timed(
                now, job.uid, f"attempt {gang[1]} is partly scheduled for {now - since:.0f} s"
            )


def _had_no_node(was: Write | None) -> bool:
    return was is None or was.pod is None or not was.pod.node


class NothingGoesBack(Check):
    """5. Attempt, restarts and checkpoint position never decrease. A failure counts once."""

    invariant = 5

    def see(self, step: Step) -> Iterator[Breach]:
        write, was = step.write, step.was
        job, before = write.job, was.job if was else None
        if not job or not job.status or write.verb == "DELETED":
            return
        yield from (self.breach(write, what) for what in self._of(job, before or Job({})))

    def _of(self, job: Job, before: Job) -> Iterator[str]:
        if job.attempt < before.attempt:
            yield f"the attempt went from {before.attempt} to {job.attempt}"
        if job.restarts < before.restarts:
            yield f"restarts went from {before.restarts} to {job.restarts}"
        if job.restarts - before.restarts > max(0, job.attempt - before.attempt):
            yield f"restarts went from {before.restarts} to {job.restarts} within attempt {job.attempt}"
        yield from _miscounted(job)
        yield from _checkpoint_went_back(job, before)


def _miscounted(job: Job) -> Iterator[str]:
    """While the status still has all attempts, the failed ones must add up to `restarts`."""
    attempts = job.attempts
    if not attempts or attempts[0]["number"] != 1:
        return
    failures = [a["number"] for a in attempts[:-1] if a.get("cause") not in NO_FAILURES]
    if len(failures) != job.restarts:
        yield f"restarts is {job.restarts}, but the attempts that failed are {failures}"


def _checkpoint_went_back(job: Job, before: Job) -> Iterator[str]:
    old, new = before.newest_complete, job.newest_complete
    if old is None or (new is not None and position(new) >= position(old)):
        return
    damaged = {each["uri"] for each in job.checkpoints if each["state"] == "Damaged"}
    if old["uri"] not in damaged:
        now = "none is left" if new is None else f"is of {place(new)}"
        yield f"the newest checkpoint was of {place(old)}, and {now}"


class ProgressRefillsTheBudget(Check):
    """5. A failure counts until a checkpoint at a higher position is complete, and no longer."""

    invariant = 5

    def see(self, step: Step) -> Iterator[Breach]:
        job, before = step.write.job, step.was.job if step.was else None
        if job and before and step.write.verb != "DELETED":
            yield from (self.breach(step.write, what) for what in _wrong_budget(job, before))


def _wrong_budget(job: Job, before: Job) -> Iterator[str]:
    """An attempt that ends, or whose cause is revised, changes the count by one."""
    known = {each["number"]: each.get("cause") for each in before.attempts}
    changed = sum(each.get("cause") != known.get(each["number"]) for each in job.attempts)
    old, new = before.newest_complete, job.newest_complete
    higher = new is not None and (old is None or position(new) > position(old))
    counted = job.failures
    if higher and new is not None and counted > changed:
        yield f"failures that count: {counted}, though the checkpoint of {place(new)} is newer"
    if not higher and counted < before.failures - changed:
        yield f"failures that count: {counted} of {before.failures}, without a newer checkpoint"


class CompleteCheckpointsStay(Check):
    """16. A complete checkpoint leaves the list when as many newer ones are there as the job keeps, or
    as damaged. The list begins with the newest one."""

    invariant = 16

    def see(self, step: Step) -> Iterator[Breach]:
        job, before = step.write.job, step.was.job if step.was else None
        if job and before and step.write.verb != "DELETED":
            yield from (self.breach(step.write, what) for what in _lost(job, before))


def _lost(job: Job, before: Job) -> Iterator[str]:
    listed = {each["uri"] for each in job.checkpoints}
    for saved in before.complete:
        newer = [other for other in job.complete if age(other) >= age(saved)]
        if saved["uri"] not in listed and len(newer) < job.retain:
            yield f"the checkpoint of {place(saved)} left the list for {len(newer)} newer ones"
    ages = [age(each) for each in job.checkpoints]
    if ages != sorted(ages, reverse=True):
        places = "; ".join(place(each) for each in job.checkpoints)
        yield f"the list of checkpoints does not begin with the newest: {places}"


class ResumesFromComplete(Check):
    """6. An attempt resumes only from a complete checkpoint, in its status and in its pods."""

    invariant = 6

    def see(self, step: Step) -> Iterator[Breach]:
        write, was = step.write, step.was
        if write.job and write.verb != "DELETED":
            before = was.job if was else None
            if _resolved(write.job) and not (before and _resolved(before) == _resolved(write.job)):
                yield from (self.breach(write, what) for what in _wrong_point(write.job))
        if write.pod and write.verb == "ADDED":
            job = step.state.job(write.pod.owner)
            if job and job.attempt == write.pod.attempt:
                yield from (self.breach(write, what) for what in _wrong_env(write.pod, job))


def _resolved(job: Job) -> int:
    """The newest attempt that may have pods."""
    return max((int(a["number"]) for a in job.attempts if a.get("class")), default=0)


def _wrong_point(job: Job) -> Iterator[str]:
    newest, point = job.newest_complete, job.restored_from
    warm = (job.spec.get("checkpoint") or {}).get("restoreFrom")
    right = newest["uri"] if newest else warm
    found = point["uri"] if point else None
    if found != right:
        yield f"attempt {job.attempt} resumes from {found}, but the newest complete one is {right}"
    elif newest and point and place(point) != place(newest):
        yield f"attempt {job.attempt} resumes from {place(point)}, the checkpoint is of {place(newest)}"


def _wrong_env(pod: Pod, job: Job) -> Iterator[str]:
    point = job.restored_from or {}
    told = pod.env.get("STARGATE_RESUME_URI") or None
    if told != point.get("uri"):
        yield f"{pod.name} is told to resume from {told}, the status says {point.get('uri')}"
    elif told and pod.env["STARGATE_RESUME_EPOCH"] != str(point.get("epoch", 0)):
        yield f"{pod.name} is told epoch {pod.env['STARGATE_RESUME_EPOCH']} of {point}"
    elif told and pod.env.get("STARGATE_RESUME_STEP", "") != str(point.get("step", "")):
        yield f"{pod.name} is told step {pod.env.get('STARGATE_RESUME_STEP')} of {point}"


class TheEndIsTheEnd(Check):
    """7. A finished job stays finished and gets no pods."""

    invariant = 7

    def see(self, step: Step) -> Iterator[Breach]:
        write, before = step.write, step.was.job if step.was else None
        if before and before.finished and write.job:
            after = write.job
            if (after.phase, after.attempt) != (before.phase, before.attempt):
                what = f"{before.phase} turned into {after.phase}, attempt {after.attempt}"
                yield self.breach(write, what)
        if write.pod and write.verb == "ADDED":
            job = step.state.job(write.pod.owner)
            if job and job.finished:
                what = f"{write.pod.name} was created though the job is {job.phase}"
                yield self.breach(write, what)


@dataclass
class SuccessSticks(Check):
    """7. A rank that has succeeded ends no attempt, whatever becomes of its pod.

    A success counts while its pod shows it, and from the moment when the status tells it. One that no
    operator could see, because none ran until the pod was gone, is not known to anybody.
    """

    invariant = 7
    shown: dict[tuple[str, int, int], float] = field(default_factory=dict)
    """Since when. A success that is shown while the status is being written comes too late for it."""

    def see(self, step: Step) -> Iterator[Breach]:
        write, pod, job = step.write, step.write.pod, step.write.job
        if pod and pod.owner and pod.rank_phase == "Succeeded":
            shown = (pod.owner, pod.attempt, pod.rank)
            if write.verb == "DELETED":
                self.shown.pop(shown, None)
            else:
                self.shown.setdefault(shown, step.at)
        before = step.was.job if step.was else None
        if job and before and job.attempt > before.attempt:
            current = before.attempts[-1] if before.attempts else {}
            told = ranks_of(current.get("succeededRanks") or "")
            for ended in job.attempts:
                number, rank = int(ended["number"]), ended.get("rank")
                if number != before.attempt or rank is None:
                    continue
                since = self.shown.get((job.uid, number, int(rank)), step.at)
                if int(rank) in told or step.at - since > IN_WRITING_SECONDS:
                    what = f"attempt {number} ended by rank {rank}, which had succeeded"
                    yield self.breach(write, what)


Counts = tuple[int, ...]
COUNTED = ("created", "scheduled", "running", "ready", "succeeded", "failed")


def counted(pod: Pod, rank_phase: str) -> Counts:
    return (
        1,
        bool(pod.node),
        rank_phase == "Running",
        pod.ready,
        rank_phase == "Succeeded",
        rank_phase == "Failed",
    )


@dataclass
class _Census:
    """The pod counts of a gang over time."""

    counts: Counter[str] = field(default_factory=Counter)
    series: list[tuple[float, Counts]] = field(default_factory=lambda: [(float("-inf"), (0,) * 6)])

    succeeded: set[int] = field(default_factory=set)
    """Ranks that have succeeded. They stay so, whatever becomes of their pods."""

    def change(self, pod: Pod, sign: int) -> None:
        phase = "Succeeded" if pod.rank in self.succeeded else pod.rank_phase
        for name, number in zip(COUNTED, counted(pod, phase), strict=True):
            self.counts[name] += sign * number
        if phase == "Succeeded":
            self.succeeded.add(pod.rank)
        self.counts["succeeded"] = len(self.succeeded)

    def note(self, at: float) -> None:
        now = tuple(self.counts[name] for name in COUNTED)
        if now != self.series[-1][1]:
            self.series.append((at, now))

    def since(self, moment: float) -> Iterator[Counts]:
        """All counts that were true at some time since `moment`, the latest first."""
        for began, counts in reversed(self.series):
            yield counts
            if began <= moment:
                return

    def ended(self, counts: Counts) -> float:
        """When these counts were last true."""
        ended = float("-inf")
        for (_, before), (at, _) in pairwise(self.series):
            if before == counts:
                ended = at
        return ended

    @property
    def latest(self) -> Counts:
        return self.series[-1][1]


@dataclass
class StatusIsTrue(Check):
    """8. The counts in a status were true at most 2 s before it was written."""

    invariant = 8
    gangs: dict[Gang, _Census] = field(default_factory=dict)
    wrong_since: dict[str, float] = field(default_factory=dict)
    born: dict[str, float] = field(default_factory=dict)

    def see(self, step: Step) -> Iterator[Breach]:
        write, was, state = step.write, step.was, step.state
        if write.pod and write.pod.owner:
            self._count(write, was)
            self._compare(state.job(write.pod.owner), write.at)
        elif write.job:
            before = was.job if was else None
            if write.verb != "DELETED" and write.job.status != (before.status if before else {}):
                yield from (
                    self.breach(write, what) for what in self._lies(write, write.job, before)
                )
            self._compare(state.job(write.uid), write.at)
            self.born.setdefault(write.uid, write.at)

    def _count(self, write: Write, was: Write | None) -> None:
        for pod, sign in ((was and was.pod, -1), (write.verb != "DELETED" and write.pod, 1)):
            if pod:
                self._census(pod.owner, pod.attempt).change(pod, sign)
        assert write.pod
        self._census(write.pod.owner, write.pod.attempt).note(write.at)

    def _census(self, job_uid: str, attempt: int) -> _Census:
        return self.gangs.setdefault((job_uid, attempt), _Census())

    def _lies(self, write: Write, job: Job, before: Job | None) -> Iterator[str]:
        if before and before.finished and job.workers == before.workers:
            return
        said, size = _said(job), job.workers.get("desired", 0)
        census = self._census(job.uid, job.attempt)
        held = list(census.since(write.at - BEHIND_SECONDS * self.patience))
        if job.workers and not _each_was_so(said, held):
            seen = "; ".join(str(dict(zip(COUNTED, counts, strict=True))) for counts in held[:4])
            yield f"workers are said to be {dict(zip(COUNTED, said, strict=True))}, and were {seen}"
        if job.workers and size != job.world_size:
            yield f"workers.desired is {size}, the attempt has {job.world_size} ranks"
        progress = job.status.get("progress")
        if progress and progress["percent"] != _percent(progress, job.spec.get("steps")):
            total = f"{progress['epochs']} epochs and {progress.get('totalSteps')} steps"
            yield f"{progress['percent']} % is said of {place(progress)} of {total}"
        if job.phase == "Running" and said[2] + said[4] != size:
            yield f"Running is said, but of {size} ranks {said[2]} run and {said[4]} have succeeded"
        if job.phase == "Succeeded" and said[4] != size:
            yield f"Succeeded is said, but of {size} ranks {said[4]} have succeeded"

    def _compare(self, job: Job | None, at: float) -> None:
        if job is None:
            return
        settled = not job.status or job.finished or job.deleting
        if settled or _said(job) == self._census(job.uid, job.attempt).latest:
            self.wrong_since.pop(job.uid, None)
        else:
            self.wrong_since.setdefault(job.uid, at)

    def pass_time(self, state: State, now: float) -> Iterator[Breach]:
        for uid, since in list(self.wrong_since.items()):
            job = state.job(uid)
            if job is None or now - since <= STALE_SECONDS * self.patience:
                continue
            ended = self._census(uid, job.attempt).ended(_said(job))
            if now - ended <= STALE_SECONDS * self.patience:
                self.wrong_since[uid] = ended  # it was true a moment ago
                continue
            del self.wrong_since[uid]
            truth = dict(zip(COUNTED, self._census(uid, job.attempt).latest, strict=True))
            yield self.timed(
                now, uid, f"for {now - since:.1f} s the status says {job.workers}; it is {truth}"
            )
        for uid, since in list(self.born.items()):
            job = state.job(uid)
            if job is None or job.status or job.deleting:
                del self.born[uid]
            elif now - since > SPEECHLESS_SECONDS * self.patience:
                del self.born[uid]
                yield self.timed(now, uid, f"{job.name} has no status after {now - since:.0f} s")


def _percent(progress: Json, steps: int | None) -> float:
    """Of the steps where step and total are known, else of the epochs. Not 100 before the end."""
    done, total = int(progress["epoch"]), int(progress["epochs"])
    ended = done >= total
    if "step" in progress and "totalSteps" in progress:
        done, total = int(progress["step"]), int(progress["totalSteps"])
        ended = ended or done == steps
    percent = round(100 * done / total, 2)
    return percent if ended else min(percent, 99.99)


def _each_was_so(said: Counts, held: list[Counts]) -> bool:
    """True if each count was true at some time. They need not be true at the same time: the answers to
    the operator's creates come before the events of its watch."""
    return all(count in {counts[i] for counts in held} for i, count in enumerate(said))


def _said(job: Job) -> Counts:
    return tuple(int(job.workers.get(name, 0)) for name in COUNTED)


class OneWriter(Check):
    """10. Only the holder of the lease writes. The old holder writes nothing after the lease moved."""

    invariant = 10

    def audit(self, requests: list[Request]) -> Iterator[Breach]:
        leader, since = "", 0.0
        for request in sorted(requests, key=lambda request: request.began):
            agent = request.agent
            if not request.writes or request.code >= 300:
                continue
            if request.resource == "leases":
                leader, since = agent, since if leader == agent else request.ended
            elif leader and agent != leader and request.began > since:
                what = f"{agent} wrote {request.resource} {request.name} while {leader} led"
                yield Breach(self.invariant, what, request.began)


@dataclass
class StaysInItsNamespace(Check):
    """13. No write outside the jobs' namespaces, and no secret in a status or an event."""

    invariant = 13
    namespaces: set[str] = field(default_factory=set)

    def see(self, step: Step) -> Iterator[Breach]:
        write = step.write
        if write.job:
            self.namespaces.add(write.object["metadata"]["namespace"])
        said = _words(write)
        if said and SECRET.search(said):
            yield self.breach(write, f"a secret stands in {write.kind} {write.name}")

    def audit(self, requests: list[Request]) -> Iterator[Breach]:
        for request in requests:
            own = request.resource in ("leases", "tokenreviews", "computeblocks/status")
            if request.writes and not own and not self._allowed(request):
                path = f"{request.namespace}/{request.name}"
                what = f"{request.agent}: {request.verb} {request.resource} {path}"
                yield Breach(self.invariant, what, request.began)

    def _allowed(self, request: Request) -> bool:
        if (request.verb, request.resource) == ("patch", "pods"):
            return request.namespace == "stargate-system"  # the leader's label
        if (request.verb, request.namespace) == ("patch", ""):
            return request.resource in _CATALOGUE  # the defaults of an install
        return request.namespace in self.namespaces or request.namespace.startswith("test-")


_CATALOGUE = ("acceleratorclasses", "computeblocks", "stargateruntimes")


def _words(write: Write) -> str:
    if write.job:
        return str(write.job.status)
    return str(write.object.get("message", "")) if write.kind == "Event" else ""


CHECKS: tuple[type[Check], ...] = (
    OneOfEachRank,
    OneChildOfEachRank,
    EffectsFollowTheStatus,
    GivenUpOnLostNodes,
    OneAttemptAtATime,
    OwnersLive,
    AllOrNothing,
    NothingGoesBack,
    ProgressRefillsTheBudget,
    CompleteCheckpointsStay,
    ResumesFromComplete,
    TheEndIsTheEnd,
    SuccessSticks,
    StatusIsTrue,
    OneWriter,
    StaysInItsNamespace,
)

__all__ = ["CHECKS", "Breach", "Check", "Json", "check"]
