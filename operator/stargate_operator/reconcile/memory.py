"""The reconciler's memory of one job between two passes.

Nothing here may be needed after a crash: whatever must survive is in the job's status. The memory saves
work (the attempt's blueprint), keeps times that no resource holds (when a failure was first seen), and
keeps the last refusal of the API server.
"""

from dataclasses import InitVar, dataclass, field
from datetime import datetime, timedelta

from stargate_operator.decide.observed import Trouble
from stargate_operator.kube.transport import Jitter
from stargate_operator.model.blueprint import Blueprint
from stargate_operator.model.gang import Gang
from stargate_operator.model.report_interval import longest_wait
from stargate_types import StargateJob

_FIRST_RETRY = timedelta(seconds=1)
_LAST_RETRY = timedelta(seconds=30)


@dataclass
class Refusals:
    """The API server's refusals of one verb. Each round of them doubles the wait until the next try.

    `jitter` spreads the tries of the many jobs that one webhook or one quota refuses.
    """

    jitter: Jitter
    trouble: Trouble | None = None
    rounds: int = 0

    def note(self, reason: str, message: str, now: datetime) -> None:
        if self.trouble is not None and now < self.trouble.retry_at:
            return  # This request belongs to the same round: it was already on its way.
        self.rounds += 1
        wait = min(_LAST_RETRY, _FIRST_RETRY * 2 ** min(self.rounds - 1, 6))
        wait *= self.jitter(0.8, 1.2)
        self.trouble = Trouble(reason=reason, message=message, retry_at=now + wait)

    def end(self) -> None:
        """Nothing is left to do for this verb, or it works again."""
        self.trouble = None
        self.rounds = 0


@dataclass
class Memory:
    """The memory of one job's reconciler. Refusals of creates are noted in `creates`, those of pod
    deletes in `deletes`, those to delete the objects of earlier attempts in `prunes`."""

    jitter: InitVar[Jitter]
    blueprint: Blueprint | None = None
    blueprint_attempt: int = 0
    failed_since: datetime | None = None
    failed_attempt: int = 0
    creates: Refusals = field(init=False)
    deletes: Refusals = field(init=False)
    prunes: Refusals = field(init=False)
    wrote_at: float = float("-inf")
    last_seen: StargateJob | None = None
    report_timeout: int | None = None
    report_timeout_seen: bool = False
    timeout_counts_from: datetime | None = None

    def __post_init__(self, jitter: Jitter) -> None:
        self.creates, self.deletes, self.prunes = (Refusals(jitter) for _ in range(3))

    def remember_blueprint(self, attempt: int, blueprint: Blueprint) -> None:
        self.blueprint, self.blueprint_attempt = blueprint, attempt

    def blueprint_of(self, attempt: int) -> Blueprint | None:
        return self.blueprint if self.blueprint_attempt == attempt else None

    def note_failures(self, gang: Gang, now: datetime) -> None:
        """Keeps the moment when a failed rank of this attempt was first seen."""
        if not gang.failed or self.failed_attempt != gang.attempt:
            self.failed_since = None
        if gang.failed and self.failed_since is None:
            self.failed_since, self.failed_attempt = now, gang.attempt

    def note_timeout(self, job: StargateJob, now: datetime) -> None:
        """After a change of the timeout, silence counts only when all ranks were due under the old
        one."""
        if self.report_timeout_seen and job.report_timeout != self.report_timeout:
            told = longest_wait(job.current_world_size, self.report_timeout)
            self.timeout_counts_from = now + timedelta(seconds=told)
        self.report_timeout, self.report_timeout_seen = job.report_timeout, True
