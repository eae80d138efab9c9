"""The network, the clocks and the random numbers that a replica takes from its machine.

Tests pass in others: an API server in memory, virtual time and the random numbers of a seed.
See docs/decisions/0044-the-operator-is-tested-by-simulation.md.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from stargate_operator.kube.config import Endpoint
from stargate_operator.kube.transport import Jitter, Transport


def _connections(endpoint: Endpoint) -> Transport | None:
    """None, so the client makes its own transport."""
    del endpoint
    return None


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Ports:
    """`transport` is asked once for each client; None stands for connections to the endpoint."""

    transport: Callable[[Endpoint], Transport | None] = _connections
    now: Callable[[], datetime] = _now
    """The wall clock, in UTC. It may be set while the process runs."""
    monotonic: Callable[[], float] = time.monotonic
    """A clock in seconds that is never set."""
    jitter: Jitter = random.uniform


MACHINE = Ports()
