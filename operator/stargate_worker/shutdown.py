"""The reason for which this worker must stop, and the time that it has.

SIGTERM comes with preemption, suspension and deletion. PID 1 of a container ignores it without a
handler, so `join` installs one, which calls the handler that was there before. A handler can run
between any two bytecodes, so ours takes no lock and writes no log: it only stores the time.
"""

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

_log = logging.getLogger(__name__)


class Shutdown:
    """The reasons to stop: SIGTERM, the operator's request, the end of the attempt."""

    def __init__(
        self, grace_seconds: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._grace_seconds = grace_seconds
        self._clock = clock
        self._terminated_at: float | None = None
        self._requested = False
        self.attempt_over = ""
        """Why the operator accepts nothing more from this attempt; empty while it does."""

    @property
    def stopping(self) -> bool:
        """True if there is any reason to stop."""
        return self._terminated_at is not None or self._requested or bool(self.attempt_over)

    @property
    def terminated(self) -> bool:
        """True if SIGTERM came, so that the kubelet's grace period runs."""
        return self._terminated_at is not None

    @property
    def seconds_left(self) -> float | None:
        """Seconds until SIGKILL; None before SIGTERM."""
        if self._terminated_at is None:
            return None
        return max(self._terminated_at + self._grace_seconds - self._clock(), 0.0)

    def terminate(self) -> None:
        """Stores the time of SIGTERM. Safe in a signal handler. A second call changes nothing."""
        if self._terminated_at is None:
            self._terminated_at = self._clock()

    def request(self) -> None:
        """Stores that the operator asks this worker to stop."""
        if not self._requested:
            self._requested = True
            _log.warning("the operator asks this worker to save a checkpoint and to stop")

    def end_attempt(self, why: str) -> None:
        """Stores that the attempt is over, and why. The first reason stays."""
        if not self.attempt_over:
            self.attempt_over = why
            _log.warning("this attempt is over: %s", why)


class SigtermWatch:
    """A SIGTERM handler that tells a Shutdown. Python lets only the main thread install it."""

    def __init__(self, shutdown: Shutdown) -> None:
        self._shutdown = shutdown
        self._pid = os.getpid()
        self._before: signal._HANDLER = signal.SIG_DFL
        self._installed = False

    def install(self) -> None:
        """Installs the handler; logs a warning outside of the main thread."""
        if threading.current_thread() is not threading.main_thread():
            _log.warning(
                "joined outside of the main thread: SIGTERM is not handled, so this worker saves"
                " before a preemption only if the operator asks it to"
            )
            return
        self._before = signal.signal(signal.SIGTERM, self._handle)
        self._installed = True

    def remove(self) -> None:
        """Restores the handler from before, unless another one was installed since: it may call ours."""
        if not self._installed or signal.getsignal(signal.SIGTERM) != self._handle:
            return
        with contextlib.suppress(ValueError):  # outside of the main thread
            signal.signal(signal.SIGTERM, self._before or signal.SIG_DFL)
            self._installed = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._pid:
            self._end_fork(number)
            return
        self._shutdown.terminate()
        if callable(self._before):
            self._before(number, frame)

    def _end_fork(self, number: int) -> None:
        """A forked child inherits the handler, but is no worker: SIGTERM must end it as usual."""
        signal.signal(number, self._before or signal.SIG_DFL)
        os.kill(os.getpid(), number)
