"""Checks the demo's promises against the job's last status alone. Pure."""

from dataclasses import dataclass

from stargate_lab.workload.training import Fault
from stargate_types.status import StargateJobStatus


@dataclass(frozen=True)
class Check:
    what: str
    promised: object
    found: object

    @property
    def kept(self) -> bool:
        return self.promised == self.found

    def __str__(self) -> str:
        if self.kept:
            return f"ok    {self.what} {self.promised}"
        return f"FAIL  {self.what} {self.promised}, but it is {self.found}"


def verdict(
    status: StargateJobStatus, *, nodes: int, fault: Fault, checkpoint_interval: int
) -> list[Check]:
    first = status.attempts[0] if status.attempts else None
    restored = status.checkpoints.restored_from if status.checkpoints else None
    last_save = fault.epoch - fault.epoch % checkpoint_interval
    return [
        Check("phase", "Succeeded", str(status.phase)),
        Check("attempt", 2, status.attempt),
        Check("restarts", 1, status.restarts),
        Check("restoredFrom epoch", last_save, restored and restored.epoch),
        Check("workers succeeded", nodes, status.workers and status.workers.succeeded),
        Check("attempt 1 ended by rank", fault.victim(nodes), first and first.rank),
        Check("attempt 1 ended with exit code", fault.exit.code, first and first.exit_code),
    ]
