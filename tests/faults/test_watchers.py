"""A watch of kopf's that is dead while the process looks healthy, made by taking a CRD away.

What is expected of the operator: liveness fails and the process ends within the time that it is
given, rather than idle for ever; with the CRD back it works again.
"""

import time
from collections.abc import Iterator

import pytest

from stargate_lab.cluster import installation
from stargate_lab.process.operator_process import OperatorProcess
from stargate_operator.informers.kopf_watchers import STARTING
from tests.faults.lab import Lab
from tests.kit.story import eventually

CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/computeblocks.stargate.dev"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/stargate-system/leases"
LEASE = "of-somebody-else"
DEAD_WITHIN = 30.0
"""Seconds: the watch ends with its CRD, kopf tries once more, the watchdog looks every 5 s, and kopf
takes as long to end. Twice what that comes to on two idle cores."""


@pytest.fixture
def replicas(lab: Lab) -> Iterator[tuple[OperatorProcess, OperatorProcess]]:
    """One that runs, and one that is yet to be started and can only stand by, for its lease is held: a
    leader reads all kinds before it acts, and ends at once where one is absent."""
    lab.operator.stop()
    late = lab.another_operator("late", {"STARGATE_LEASE_NAME": LEASE})
    replicas = lab.another_operator("running", {}), late
    replicas[0].start()
    held = {"holderIdentity": "somebody", "leaseDurationSeconds": 3600}
    lab.plane.api.create(LEASES, {"metadata": {"name": LEASE}, "spec": held})
    yield replicas
    for replica in replicas:
        replica.stop()
    lab.plane.api.delete(f"{LEASES}/{LEASE}")
    installation.install(lab.plane)


def test_operator_ends_when_one_watcher_is_dead(
    lab: Lab, replicas: tuple[OperatorProcess, OperatorProcess]
) -> None:
    running, late = replicas
    eventually(running.is_live, "a live operator")

    lab.plane.api.delete(CRD)
    late.start(wait=False)
    started = time.monotonic()
    eventually(lambda: not running.is_live(), "liveness to fail", DEAD_WITHIN)
    eventually(lambda: not running.pid, "the process to end", DEAD_WITHIN)
    assert time.monotonic() - started < DEAD_WITHIN
    assert "computeblocks watcher is dead" in running.log_tail()

    eventually(lambda: not late.pid, "the process to end", STARTING + DEAD_WITHIN)
    assert time.monotonic() - started > STARTING, "nobody can tell an absent CRD from a slow start"
    assert "computeblocks not watched" in late.log_tail()

    installation.install(lab.plane)
    running.start()
    eventually(lambda: running.metric("stargate_leader") == 1, "it leads")
    assert running.is_live()
