"""The garbage collector: it deletes objects without an owner, and handles its finalizers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextvars import Context
from typing import Any

from tests.kit.api_server.answers import Refused
from tests.kit.api_server.resources import Key
from tests.kit.api_server.server import ApiServer
from tests.kit.api_server.store import Commit

Json = dict[str, Any]

_AGENT = "garbage-collector"


class GarbageCollector:
    """`latency` returns the seconds from one deletion to the next."""

    def __init__(self, server: ApiServer, *, latency: Callable[[], float]) -> None:
        self._server = server
        self._latency = latency
        self._loop = asyncio.get_running_loop()
        self._due = False
        self.stopped = False
        server.store.listen(self._told)

    def stop(self) -> None:
        """Delete nothing from now on, so that only the operator can delete the pods."""
        self.stopped = True

    def go_on(self) -> None:
        self.stopped = False
        self._soon()

    def _told(self, commit: Commit) -> None:
        meta = commit.now.object["metadata"]
        orphaned = commit.change == "ADDED" and meta.get("ownerReferences")
        if commit.change == "DELETED" or meta.get("finalizers") or orphaned:
            self._soon()

    def _soon(self) -> None:
        if not self._due:
            self._due = True
            self._loop.call_later(self._latency(), self._turn, context=Context())

    def _turn(self) -> None:
        """Do one step, and schedule the next one."""
        self._due = False
        if not self.stopped and (self._serve_finalizers() or self._delete_an_orphan()):
            self._soon()

    def _delete_an_orphan(self) -> bool:
        uids = {stored.uid for _, stored in self._server.store.everything()}
        for key, stored in self._server.store.everything():
            meta = stored.object["metadata"]
            owners = [each["uid"] for each in meta.get("ownerReferences") or ()]
            if owners and not uids.intersection(owners) and "deletionTimestamp" not in meta:
                return self._delete(key, stored.uid)
        return False

    def _serve_finalizers(self) -> bool:
        for key, stored in self._server.store.everything():
            finalizers = stored.object["metadata"].get("finalizers") or ()
            if "orphan" in finalizers and self._orphan(key, stored.object):
                return True
            if "foregroundDeletion" in finalizers and self._clear_foreground(key, stored.object):
                return True
        return False

    def _orphan(self, key: Key, owner: Json) -> bool:
        for dependent, found in self._dependents(owner):
            references = [
                reference
                for reference in found["metadata"]["ownerReferences"]
                if reference["uid"] != owner["metadata"]["uid"]
            ]
            patch = {"metadata": {"ownerReferences": references or None}}
            self._server.patch(dependent, patch, agent=_AGENT)
            return True
        return self._finish(key, owner, "orphan")

    def _clear_foreground(self, key: Key, owner: Json) -> bool:
        dependents = list(self._dependents(owner))
        for dependent, found in dependents:
            if "deletionTimestamp" not in found["metadata"]:
                return self._delete(dependent, found["metadata"]["uid"])
        return not dependents and self._finish(key, owner, "foregroundDeletion")

    def _finish(self, key: Key, owner: Json, finalizer: str) -> bool:
        left = [each for each in owner["metadata"]["finalizers"] if each != finalizer]
        self._server.patch(key, {"metadata": {"finalizers": left}}, agent=_AGENT)
        return True

    def _dependents(self, owner: Json) -> Iterator[tuple[Key, Json]]:
        uid = owner["metadata"]["uid"]
        for key, stored in self._server.store.everything():
            references = stored.object["metadata"].get("ownerReferences") or ()
            if any(each["uid"] == uid for each in references):
                yield key, stored.object

    def _delete(self, key: Key, uid: str) -> bool:
        try:
            self._server.delete(
                key,
                agent=_AGENT,
                preconditions={"uid": uid},
                propagationPolicy="Background",
            )
        except Refused:
            return False
        return True
