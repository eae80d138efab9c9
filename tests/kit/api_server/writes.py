"""Rules for writes, as the API server promises them: names, versions, generations and deletion."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from tests.kit.api_server import answers
from tests.kit.api_server.answers import Refused
from tests.kit.api_server.resources import PODS, Key, Target
from tests.kit.api_server.store import Store, Stored

Json = dict[str, Any]

_OVER = ("Succeeded", "Failed")
_KEPT = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
)
"""Metadata fields that an update cannot change."""


class Writes:
    """`clock` is the server's wall clock; `uid` returns a new UID each time."""

    def __init__(
        self, store: Store, *, clock: Callable[[], datetime], uid: Callable[[], str]
    ) -> None:
        self._store = store
        self._clock = clock
        self._uid = uid

    def created(self, target: Target, body: Json) -> tuple[Key, Json]:
        """The key and the object that a POST would store."""
        resource, meta = target.resource, dict(body.get("metadata") or {})
        uid = self._uid()
        name = meta.get("name") or f"{meta.pop('generateName', '')}{uid[-5:]}"
        key = Key(resource, target.namespace, name)
        if self._store.get(key) is not None:
            raise answers.already_exists(resource.group_resource, name)
        if meta.get("resourceVersion"):
            raise answers.invalid("resourceVersion should not be set on objects to be created")
        meta |= {"name": name, "uid": uid, "creationTimestamp": stamp(self._clock())}
        meta |= {"namespace": target.namespace} if resource.namespaced else {}
        meta |= {"generation": 1} if resource.has_generation else {}
        new = {**body, "apiVersion": resource.api_version, "kind": resource.kind, "metadata": meta}
        if resource is PODS:
            new["status"] = {"phase": "Pending", "qosClass": "Burstable"}
        elif resource.has_status:
            new.pop("status", None)
        return key, new

    def updated(self, target: Target, body: Json) -> Json:
        """The object after a PUT to it or to its status."""
        old = self.existing(target)
        meta, name = body.get("metadata") or {}, target.name
        group_resource = target.resource.group_resource
        uid, version = meta.get("uid"), meta.get("resourceVersion")
        if uid and uid != old.uid:
            raise answers.another_uid(group_resource, name, wanted=uid, found=old.uid)
        if version and int(version) != old.version:
            raise answers.modified(group_resource, name)
        return self._merged(target, old.object, body)

    def patched(self, target: Target, patch: Json) -> Json:
        """The object after a merge patch of it or of its status."""
        old = self.existing(target)
        version = (patch.get("metadata") or {}).get("resourceVersion")
        if version and int(version) != old.version:
            raise answers.modified(target.resource.group_resource, target.name)
        return self._merged(target, old.object, merge(old.object, patch))

    def existing(self, target: Target) -> Stored:
        found = self._store.get(target.key)
        if found is None:
            raise answers.not_found(target.resource.group_resource, target.name)
        return found

    def commit(self, key: Key, new: Json) -> Stored:
        """Store `new`, unless nothing changes. Remove a deleted object without finalizers."""
        old = self._store.get(key)
        if old is not None and _same(old.object, new):
            return old
        if old is not None and old.object["metadata"].get("finalizers"):
            meta = new["metadata"]
            if meta.get("deletionTimestamp") and not meta.get("finalizers"):
                return self._store.remove(key)
        return self._store.put(key, new)

    def delete(self, target: Target, options: Json) -> Stored:
        old, name = self.existing(target), target.name
        wanted = (options.get("preconditions") or {}).get("uid")
        if wanted and wanted != old.uid:
            group_resource = target.resource.group_resource
            raise answers.another_uid(group_resource, name, wanted=wanted, found=old.uid)
        if target.resource is PODS:
            return self._delete_pod(target.key, old, options.get("gracePeriodSeconds"))
        return self._delete_other(target.key, old, options.get("propagationPolicy"))

    def _delete_pod(self, key: Key, old: Stored, asked: int | None) -> Stored:
        """Mark a pod on a node, so that its kubelet removes it. Remove any other pod immediately."""
        spec, status, meta = old.object["spec"], old.object["status"], old.object["metadata"]
        grace = spec.get("terminationGracePeriodSeconds", 30) if asked is None else asked
        if not spec.get("nodeName") or status.get("phase") in _OVER:
            grace = 0
        if grace == 0:
            return self._store.remove(key)
        if grace >= meta.get("deletionGracePeriodSeconds", float("inf")):
            return old  # a grace period can only be shortened
        began = self._clock()
        marked = {
            **meta,
            "deletionTimestamp": stamp(began + timedelta(seconds=grace)),
            "deletionGracePeriodSeconds": grace,
        }
        return self._store.put(key, {**old.object, "metadata": marked})

    def _delete_other(self, key: Key, old: Stored, propagation: str | None) -> Stored:
        meta = dict(old.object["metadata"])
        added = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(propagation or "")
        finalizers = [*meta.get("finalizers", ()), *([added] if added else [])]
        if not finalizers:
            return self._store.remove(key)
        if meta.get("deletionTimestamp"):
            return old
        meta |= {
            "finalizers": finalizers,
            "deletionTimestamp": stamp(self._clock()),
            "deletionGracePeriodSeconds": 0,
        }
        return self._store.put(key, {**old.object, "metadata": meta})

    def _merged(self, target: Target, old: Json, new: Json) -> Json:
        """`old` with the permitted part of `new`: only the status, or all but the status."""
        if target.subresource == "status":
            return {**old, "status": new.get("status") or {}}
        meta = {**(new.get("metadata") or {})}
        kept = old["metadata"]
        meta |= {name: kept[name] for name in _KEPT if name in kept}
        meta |= {name: kept[name] for name in ("name", "namespace") if name in kept}
        found = {**new, "apiVersion": old["apiVersion"], "kind": old["kind"], "metadata": meta}
        if target.resource.has_status:
            found["status"] = old.get("status") or {}
            if not old.get("status"):
                del found["status"]
        if target.resource.has_generation and found.get("spec") != old.get("spec"):
            meta["generation"] = kept["generation"] + 1
        return found


def stamp(moment: datetime) -> str:
    """The time format of Kubernetes: whole seconds."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def merge(old: Json, patch: Json) -> Json:
    """A JSON merge patch (RFC 7386)."""
    found = copy.copy(old)
    for name, value in patch.items():
        if value is None:
            found.pop(name, None)
        elif isinstance(value, dict):
            was = found.get(name)
            found[name] = merge(was if isinstance(was, dict) else {}, value)
        else:
            found[name] = value
    return found


def _same(old: Json, new: Json) -> bool:
    def without_version(found: Json) -> Json:
        meta = {key: value for key, value in found["metadata"].items() if key != "resourceVersion"}
        return {**found, "metadata": meta}

    return without_version(old) == without_version(new)


__all__ = ["Refused", "Writes", "merge", "stamp"]
