"""Finds parts that are dead or silent while the process looks healthy.

After a watcher has died nobody sees its kind's events, and kopf's own probes do not show it. The
liveness endpoint asks `problems()`. `run` ends by raising, which ends the process, because a restart is
the one repair that always works. The watchdog only looks; it never repairs anything itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

log = structlog.get_logger(__name__)

_STARTING = 30.0


@dataclass(frozen=True)
class Check:
    """One thing that must work for the process to be healthy."""

    name: str
    ask: Callable[[], str | None]
    """Returns None when healthy, else what is wrong. It must neither block nor raise."""


class Unhealthy(Exception):  # noqa: N818 - a state
    """At least one check found a problem; the message has all of them."""


class Watchdog:
    """Runs all checks every `period` seconds.

    `run` raises Unhealthy as soon as a check finds a problem, and that ends the process. `problems`
    answers the liveness probe.
    """

    def __init__(
        self,
        checks: list[Check],
        period: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._checks = checks
        self._period = period
        self._clock = clock
        self._looked_at = clock()

    def problems(self) -> list[str]:
        """The problems at this moment, for liveness. A watchdog that is stuck is a problem too."""
        late = self._clock() - self._looked_at
        stuck = [f"watchdog: has not looked for {late:.0f} s"] if late > self._allowed_lag else []
        return stuck + [f"{c.name}: {found}" for c in self._checks if (found := _ask(c))]

    async def run(self) -> None:
        while True:
            self._looked_at = self._clock()
            problems = self.problems()
            if problems:
                raise Unhealthy("; ".join(problems))
            await asyncio.sleep(self._period)

    @property
    def _allowed_lag(self) -> float:
        return 6 * self._period + _STARTING


def _ask(check: Check) -> str | None:
    try:
        return check.ask()
    except Exception as error:  # a check that fails does not prove health
        log.exception("check failed", check=check.name)
        return f"{type(error).__name__}: {error}"
