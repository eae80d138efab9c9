"""Two replicas of one operator, and the faults of a leader.

Each replica has a pod in the chart's Deployment (front_door.py) and its own tap to the API server.
`python -m tests.faults.replicas` measures takeovers with the default times of the lease.
"""

import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from stargate_lab.cluster.control_plane import ControlPlane
from stargate_lab.process.operator_process import OperatorProcess
from tests.faults.front_door import behind_the_service, front_door, operator_pods
from tests.faults.lab import Lab, a_lab
from tests.faults.tap import Tap, tapping
from tests.kit.story import eventually

_LEASE = "/apis/coordination.k8s.io/v1/namespaces/stargate-system/leases/stargate-operator"
LONG = 60.0


@dataclass
class Replica:
    process: OperatorProcess
    tap: Tap

    @property
    def name(self) -> str:
        return self.process.name

    def ended(self) -> bool:
        return not self.process.pid


@dataclass
class Pair:
    plane: ControlPlane
    replicas: dict[str, Replica]

    def both_run(self) -> None:
        """Reopen the taps and start the replicas that have ended."""
        for replica in self.replicas.values():
            replica.tap.go_on()
        ended = [replica.process for replica in self.replicas.values() if replica.ended()]
        for process in ended:
            process.start(wait=False)
        for process in ended:
            process.wait_ready()

    @property
    def holder(self) -> str:
        return str(self.plane.api.get(_LEASE)["spec"].get("holderIdentity") or "")

    def wait_leader(self, seconds: float = LONG, *, other_than: str = "") -> Replica:
        wanted = self.replicas.keys() - {other_than}
        holder = eventually(
            lambda: holder if (holder := self.holder) in wanted else "",
            f"one of {', '.join(sorted(wanted))} holding the lease",
            seconds,
        )
        return self.replicas[holder]

    def standby(self) -> Replica:
        leader = self.wait_leader()
        return next(replica for replica in self.replicas.values() if replica is not leader)


@contextmanager
def a_pair(lab: Lab, settings: Mapping[str, str]) -> Iterator[Pair]:
    """Two replicas, not started yet. Workers reach them through the chart's Service."""
    found: dict[str, Replica] = {}
    with ExitStack() as stack:
        names = stack.enter_context(operator_pods(lab.plane))
        door = front_door(lab.plane, lambda name: found[name].process.ports.reports)
        url = stack.enter_context(door)
        for name in names:
            tap = stack.enter_context(tapping(lab.plane.kubeconfig))
            own = {"STARGATE_POD_NAME": name, "STARGATE_REPORTS_URL": url}
            all_of_them = {**settings, **own, **_one_certificate(lab.operator)}
            found[name] = Replica(lab.another_operator(name, all_of_them, tap), tap)
            stack.callback(found[name].process.kill)
        yield Pair(lab.plane, found)


def _one_certificate(operator: OperatorProcess) -> dict[str, str]:
    """The certificate that both replicas share, as they share a Secret in a cluster."""
    files = operator.certificates
    return {
        "STARGATE_REPORTS_CERTIFICATE": str(files.certificate),
        "STARGATE_REPORTS_KEY": str(files.key),
        "STARGATE_REPORTS_CA": str(files.ca),
    }


@dataclass(frozen=True)
class Fault:
    """A fault of a leader, and how to undo it."""

    name: str
    strike: Callable[[Replica], None]
    revive: Callable[[Replica], None]
    last_words: str = "lease"

    def __str__(self) -> str:
        return self.name


def _wake(replica: Replica) -> None:
    replica.tap.go_on()
    os.kill(replica.process.pid, signal.SIGCONT)


FAULTS = [
    Fault("killed", lambda it: it.process.kill(), lambda it: it.tap.go_on(), last_words=""),
    Fault("stands-still", lambda it: os.kill(it.process.pid, signal.SIGSTOP), _wake),
    Fault("unanswered", lambda it: it.tap.isolate(), lambda it: it.tap.go_on()),
    Fault("refused", lambda it: it.tap.isolate(refuse=True), lambda it: it.tap.go_on()),
]
KILLED, STANDS_STILL = FAULTS[:2]
STOPPED = Fault("told-to-stop", lambda it: it.process.stop(), lambda it: it.tap.go_on(), "")


def _seconds(pair: Pair, fault: Fault) -> tuple[float, float]:
    """Seconds from the fault until another replica leads, and until the Service points to it."""
    pair.both_run()
    leader = pair.wait_leader()
    eventually(lambda: behind_the_service(pair.plane) == [leader.name], "the leader", LONG)
    time.sleep(5)
    struck = time.monotonic()
    fault.strike(leader)
    successor = pair.wait_leader(other_than=leader.name)
    leads = time.monotonic() - struck
    eventually(lambda: behind_the_service(pair.plane) == [successor.name], "the new leader", LONG)
    reached = time.monotonic() - struck
    fault.revive(leader)
    eventually(leader.ended, "the end of the old leader", LONG)
    return leads, reached


def measure(names: list[str], runs: int = 3) -> None:
    with (
        tempfile.TemporaryDirectory() as directory,
        a_lab(Path(directory)) as lab,
        a_pair(lab, {}) as pair,
    ):
        for fault in (fault for fault in (*FAULTS, STOPPED) if fault.name in names):
            leads, reached = zip(*(_seconds(pair, fault) for _ in range(runs)), strict=True)
            print(fault, _range(leads), _range(reached), flush=True)


def _range(seconds: tuple[float, ...]) -> str:
    return f"{min(seconds):.1f} {statistics.median(seconds):.1f} {max(seconds):.1f}"


if __name__ == "__main__":
    measure(sys.argv[1:] or [fault.name for fault in (*FAULTS, STOPPED)])
