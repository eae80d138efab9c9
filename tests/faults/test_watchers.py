"""A kopf watch dies while the process looks healthy, because its CRD was deleted.

The operator's liveness fails and the process ends in time, instead of running idle for ever. With
the CRD restored it works again.
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
"""Seconds, twice the time on two idle cores: the watch ends with its CRD, kopf retries once, the
watchdog checks every 5 s, and kopf needs 5 s to end."""


@pytest.fixture
def replicas(lab: Lab) -> Iterator[tuple[OperatorProcess, OperatorProcess]]:
    """A running operator, and one not started yet, whose lease is held by somebody else.

    The second one must stay a standby: a leader lists all kinds first and ends if a CRD is absent.
    """
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
    eventually(lambda: not running.pid, "the end of the process", DEAD_WITHIN)
    assert time.monotonic() - started < DEAD_WITHIN
    assert "computeblocks watcher is dead" in running.log_tail()

    eventually(lambda: not late.pid, "the end of the late process", STARTING + DEAD_WITHIN)
    assert time.monotonic() - started > STARTING, "an absent CRD looks like a slow start until then"
    assert "computeblocks not watched" in late.log_tail()

    installation.install(lab.plane)
    running.start()
    eventually(lambda: running.metric("stargate_leader") == 1, "leadership")
    assert running.is_live()
