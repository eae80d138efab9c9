"""Deletes checkpoints that the operator no longer retains, and nothing else.

It deletes a checkpoint only if an answer to the leading rank lists it, if it is in this job's own
folder, and if the attempt is not over. A failed deletion is logged and tried again when the
checkpoint is listed again. Training goes on meanwhile.
"""

import logging
import queue
import threading
import time

from stargate_worker.checkpoint_format import MANIFEST, deletable
from stargate_worker.environment import Environment
from stargate_worker.shutdown import Shutdown
from stargate_worker.storage import folder_at

RETRY_SECONDS = 60.0
_MAX_REMEMBERED = 256

_log = logging.getLogger(__name__)


class CheckpointDeleter:
    """Deletes listed checkpoints, one after the other, in a thread of its own."""

    def __init__(
        self,
        environment: Environment,
        shutdown: Shutdown,
        *,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._environment = environment
        self._retry_seconds = retry_seconds
        self._shutdown = shutdown
        self._due: dict[str, float] = {}
        self._listed: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="stargate-deletion", daemon=True)

    def start(self) -> None:
        """Starts the thread. Do it early: an interpreter that is ending starts no threads."""
        self._thread.start()

    def enqueue(self, uris: tuple[str, ...]) -> None:
        """Queues the checkpoints that an answer lists. Every answer lists the same ones again."""
        with self._lock:
            for uri in uris:
                if time.monotonic() >= self._due.get(uri, 0.0):
                    self._due[uri] = float("inf")
                    self._listed.put(uri)
            while len(self._due) > _MAX_REMEMBERED:
                del self._due[next(iter(self._due))]

    def close(self, seconds: float) -> None:
        """Deletes what is queued and ends the thread; waits for it `seconds` at most."""
        self._listed.put(None)
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        while (uri := self._listed.get()) is not None:
            if self._shutdown.attempt_over:
                return
            self._delete(uri)

    def _delete(self, uri: str) -> None:
        ours = self._environment
        location = deletable(
            uri,
            checkpoint_uri=ours.checkpoint_uri,
            checkpoint_path=ours.checkpoint_path,
            attempt=ours.attempt,
        )
        if location is None:
            _log.warning(
                "%s is not retained, but it is outside of this job's folder: it stays", uri
            )
            return
        try:
            folder_at(location).delete(first=MANIFEST)
        except Exception as error:
            _log.warning("the old checkpoint %s could not be deleted: %s", uri, error)
            with self._lock:
                self._due[uri] = time.monotonic() + self._retry_seconds
        else:
            _log.info("the old checkpoint %s is deleted", uri)
