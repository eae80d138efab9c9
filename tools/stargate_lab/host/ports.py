"""Free loopback ports, below the range from which the kernel takes ports for outgoing connections.

A port of that range could be gone again by the time a killed API server wants it back.
"""

import random
import socket

_RANGE = range(15_000, 32_000)


def free_ports(count: int) -> list[int]:
    candidates = random.sample(_RANGE, len(_RANGE))
    free = (port for port in candidates if _is_free(port))
    return [next(free) for _ in range(count)]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
