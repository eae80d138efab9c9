"""Whether this worker is to end, why, and how much time it has.

SIGTERM comes with preemption, suspension and deletion. PID 1 of a container ignores it unless
somebody listens, so joining installs a handler, which keeps whoever listened before. The handler
runs between any two bytecodes: it takes no lock and writes no log, it only notes the time.
"""

import contextlib
import logging
import os
import signal
import threading
import time
from types import FrameType

_log = logging.getLogger(__name__)


class Shutdown:
    def __init__(self, grace_seconds: float) -> None:
        self._grace_seconds = grace_seconds
        self._terminated_at: float | None = None
        self._requested = False
        self.over = ""
        """Why the operator wants nothing more of this attempt; empty while it does."""

    @property
    def stopping(self) -> bool:
        return self._terminated_at is not None or self._requested or bool(self.over)

    @property
    def terminated(self) -> bool:
        """Whether SIGTERM came: the kubelet counts the seconds."""
        return self._terminated_at is not None

    @property
    def seconds_left(self) -> float | None:
        """Until SIGKILL; None while nobody counts."""
        if self._terminated_at is None:
            return None
        return max(self._terminated_at + self._grace_seconds - time.monotonic(), 0.0)

    def terminate(self) -> None:
        """Safe in a signal handler. A second SIGTERM gives no more time."""
        if self._terminated_at is None:
            self._terminated_at = time.monotonic()

    def request(self) -> None:
        if not self._requested:
            self._requested = True
            _log.warning("the operator asks this worker to save what is worth it and to end")

    def end_attempt(self, why: str) -> None:
        if not self.over:
            self.over = why
            _log.warning("the operator wants nothing more of this attempt: %s", why)


class SigtermWatch:
    """Installed while the worker lives; in the main thread alone, as Python demands."""

    def __init__(self, shutdown: Shutdown) -> None:
        self._shutdown = shutdown
        self._pid = os.getpid()
        self._before: signal._HANDLER = signal.SIG_DFL
        self._installed = False

    def install(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            _log.warning(
                "joined outside of the main thread: SIGTERM is not listened to, and a save before"
                " preemption needs the operator's word"
            )
            return
        self._before = signal.signal(signal.SIGTERM, self._handle)
        self._installed = True

    def remove(self) -> None:
        """Unless somebody has installed another since, who may call ours."""
        if not self._installed or signal.getsignal(signal.SIGTERM) != self._handle:
            return
        with contextlib.suppress(ValueError):  # not the main thread
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
        """A forked child inherits the handler, but it is no worker: its parent means to end it."""
        signal.signal(number, self._before or signal.SIG_DFL)
        os.kill(os.getpid(), number)
