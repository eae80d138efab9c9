"""Deletes checkpoints that the operator no longer retains, and nothing else.

Only what an answer to the leading rank lists is deleted, only if it lies in this job's own folder,
and nothing once the operator has dismissed this attempt. What cannot be deleted is logged and tried
again when it is listed again; training does not notice.
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
_REMEMBERED = 256

_log = logging.getLogger(__name__)


class Janitor:
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
        """At once: an interpreter that is ending starts no threads."""
        self._thread.start()

    def take(self, uris: tuple[str, ...]) -> None:
        """As an answer listed them; the same ones come with every answer."""
        with self._lock:
            for uri in uris:
                if time.monotonic() >= self._due.get(uri, 0.0):
                    self._due[uri] = float("inf")
                    self._listed.put(uri)
            while len(self._due) > _REMEMBERED:
                del self._due[next(iter(self._due))]

    def close(self, seconds: float) -> None:
        """After what is listed already, if that works out in time."""
        self._listed.put(None)
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        while (uri := self._listed.get()) is not None:
            if self._shutdown.over:
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
            _log.warning("%s is not retained, and not in this job's folder: it is left alone", uri)
            return
        try:
            folder_at(location).delete(first=MANIFEST)
        except Exception as error:
            _log.warning("the old checkpoint %s could not be deleted: %s", uri, error)
            with self._lock:
                self._due[uri] = time.monotonic() + self._retry_seconds
        else:
            _log.info("the old checkpoint %s is deleted", uri)
