"""An API server in memory, on a virtual clock. It keeps the promises of Kubernetes and makes no others.

Requests and answers are bytes, as on the wire. The test decides about time, order and faults: `faults`
strikes requests, `admission` refuses objects, and `watches` can be held, ended and broken.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import msgspec

from tests.kit.api_server import answers
from tests.kit.api_server.answers import Refused, Response
from tests.kit.api_server.faults import Fault, Faults, Rule
from tests.kit.api_server.requests import Request
from tests.kit.api_server.resources import TOKEN_REVIEWS, Key, Resource, Target, path_of
from tests.kit.api_server.selectors import selector
from tests.kit.api_server.store import Commit, Store, Stored
from tests.kit.api_server.watches import Watch
from tests.kit.api_server.writes import Writes, merge, stamp
from tests.kit.virtual_time import running_loop

Json = dict[str, Any]

EPOCH = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
"""The wall-clock time at the start of a test."""

Admission = Callable[[Request, Target, Json], None]
"""Gets the object that would be stored, and raises Refused to reject it."""


@dataclass(frozen=True)
class Answered:
    """An audit entry: a request and its result."""

    request: Request
    code: int
    began: float
    ended: float


@dataclass
class _Pages:
    """The remaining pages of a list, all of one version."""

    version: int
    raws: list[bytes]


class ApiServer:
    def __init__(self, dice: Random) -> None:
        self.loop = running_loop()
        self.dice = dice
        self.faults = Faults()
        self.admission: list[Admission] = []
        self.tokens: dict[str, str] = {}
        """The pod UID of each token. A token is valid as long as its pod exists."""
        self.store = Store()
        self.audit: list[Answered] = []
        self.watches: list[Watch] = []
        self._began = self.loop.time()
        self._uids = itertools.count(1)
        self._writes = Writes(self.store, clock=self.now, uid=self._uid)
        self._pages: dict[str, _Pages] = {}
        self.store.listen(self._tell)

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.loop.time() - self._began)

    @property
    def seconds(self) -> float:
        """The wall clock as seconds since the epoch."""
        return self.now().timestamp()

    @property
    def elapsed(self) -> float:
        """Seconds since the server began."""
        return self.loop.time() - self._began

    def strike(self, fault: Fault, **which: Any) -> Rule:
        """Add a rule for `fault`. `which` are further fields of `Rule`."""
        return self.faults.add(Rule(fault, **which))

    def get(self, resource: Resource, name: str, namespace: str = "") -> Json | None:
        found = self.store.get(Key(resource, namespace, name))
        return found.object if found else None

    def all(self, resource: Resource, namespace: str = "") -> list[Json]:
        return [stored.object for _, stored in self.store.all(resource, namespace)]

    def ask(
        self,
        method: str,
        key: Key,
        body: Json | None = None,
        *,
        agent: str,
        subresource: str = "",
        **query: str,
    ) -> Json:
        """Handle one request of an actor in the cluster, without latency. Raises Refused."""
        headers = {"user-agent": agent, "content-type": "application/merge-patch+json"}
        raw = b"" if body is None else msgspec.json.encode(body)
        path = path_of(key, "" if method == "POST" else subresource)
        response = self.handle(Request(method, path, query, headers, raw))
        found: Json = msgspec.json.decode(response.body)
        if response.status >= 300:
            raise Refused(response.status, found.get("reason", ""), found.get("message", ""))
        return found

    def create(self, resource: Resource, body: Json, *, agent: str, namespace: str = "") -> Json:
        return self.ask("POST", Key(resource, namespace, ""), body, agent=agent)

    def patch(self, key: Key, body: Json, *, agent: str, subresource: str = "") -> Json:
        return self.ask("PATCH", key, body, agent=agent, subresource=subresource)

    def delete(self, key: Key, *, agent: str, **options: Any) -> Json:
        return self.ask("DELETE", key, options, agent=agent)

    def bind(self, key: Key, node: str) -> None:
        """Set the node and the condition PodScheduled in one write, as a scheduler does."""
        pod = self._writes.existing(Target(key.resource, key.namespace, key.name)).object
        scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": self.stamp()}
        status = {**pod["status"], "conditions": with_condition(pod, scheduled)}
        spec = {**pod["spec"], "nodeName": node}
        self._writes.commit(key, {**pod, "spec": spec, "status": status})

    def stamp(self) -> str:
        """The current time in the format of Kubernetes."""
        return stamp(self.now())

    def stamp_ago(self, seconds: float) -> str:
        return stamp(self.now() - timedelta(seconds=seconds))

    def handle(self, request: Request) -> Response:
        """Handle any request but a watch, without latency."""
        try:
            response = self._serve(request)
        except Refused as refusal:
            return self.refuse(request, refusal)
        self.audit.append(Answered(request, response.status, self.seconds, self.seconds))
        return response

    def refuse(self, request: Request, refusal: Refused) -> Response:
        response = refusal.response()
        self.audit.append(Answered(request, response.status, self.seconds, self.seconds))
        return response

    def watch(self, request: Request, latency: Callable[[], float]) -> Watch:
        """Open a stream. Raises Refused."""
        target, query = _served(request), request.query
        watch = Watch(
            target.resource,
            target.namespace,
            _selects(request),
            agent=request.agent,
            labels=query.get("labelSelector", ""),
            bookmarks=query.get("allowWatchBookmarks") == "true",
            latency=latency,
        )
        self._begin(watch, request)
        seconds = query.get("timeoutSeconds")
        watch.open_for(float(seconds) if seconds else None)
        self.watches.append(watch)
        return watch

    def compact(self) -> None:
        """Forget the history: watches and pages of older versions are refused with 410."""
        self.store.compact()
        self._pages.clear()

    def _begin(self, watch: Watch, request: Request) -> None:
        version = request.query.get("resourceVersion", "")
        streamed = request.query.get("sendInitialEvents") == "true"
        if version not in ("", "0") and not streamed:
            return self._resume(watch, int(version))
        selects = _selects(request)
        for _, stored in self.store.all(watch.resource, watch.namespace):
            if selects(stored.object):
                watch.send("ADDED", stored.raw)
        watch.version = self.store.revision
        if streamed:
            watch.bookmark(self.store.revision, initial_end=True)
        return None

    def _resume(self, watch: Watch, version: int) -> None:
        if version < self.store.compacted:
            raise answers.expired(version, self.store.compacted)
        watch.version = version
        for commit in self.store.since(version):
            watch.told(commit)

    def _tell(self, commit: Commit) -> None:
        self.watches = [watch for watch in self.watches if not watch.over]
        for watch in self.watches:
            watch.told(commit)

    def _serve(self, request: Request) -> Response:
        if request.path == TOKEN_REVIEWS:
            return Response(201, msgspec.json.encode(self._review(request.json)))
        target = _served(request)
        if request.verb == "get":
            return Response(200, self._writes.existing(target).raw)
        if request.verb == "list":
            return Response(200, self._list(target, request))
        stored = self._write(target, request)
        code = 201 if request.verb == "create" else 200
        return Response(code, _partial(stored) if request.wants_metadata else stored.raw)

    def _write(self, target: Target, request: Request) -> Stored:
        if request.verb == "delete":
            return self._writes.delete(target, request.json)
        if request.verb == "create":
            key, new = self._writes.created(target, request.json)
        elif request.verb == "update":
            key, new = target.key, self._writes.updated(target, request.json)
        elif "apply-patch" in request.headers.get("content-type", ""):
            key, new = self._applied(target, request.json)
        else:
            key, new = target.key, self._writes.patched(target, request.json)
        for admit in self.admission:
            admit(request, target, new)
        if request.dry:
            return Stored(new, msgspec.json.encode(new), 0)
        return self._writes.commit(key, new)

    def _applied(self, target: Target, body: Json) -> tuple[Key, Json]:
        """A server-side apply without field ownership: the body is merged into the object."""
        old = self.store.get(target.key)
        if old is None:
            return self._writes.created(target, body)
        return target.key, self._writes.patched(target, merge(old.object, body))

    def _list(self, target: Target, request: Request) -> bytes:
        token = request.query.get("continue", "")
        if token and token not in self._pages:
            raise answers.expired(0, self.store.compacted)
        pages = self._pages.pop(token) if token else self._snapshot(target, request)
        limit = int(request.query.get("limit", "0")) or len(pages.raws)
        page, rest = pages.raws[:limit], pages.raws[limit:]
        meta: Json = {"resourceVersion": str(pages.version)}
        if rest:
            meta["continue"] = f"{pages.version}-{len(rest)}-{next(self._uids)}"
            self._pages[meta["continue"]] = _Pages(pages.version, rest)
        resource = target.resource
        return b'{"kind":"%b","apiVersion":"%b","metadata":%b,"items":[%b]}' % (
            f"{resource.kind}List".encode(),
            resource.api_version.encode(),
            msgspec.json.encode(meta),
            b",".join(page),
        )

    def _snapshot(self, target: Target, request: Request) -> _Pages:
        selects = _selects(request)
        found = self.store.all(target.resource, target.namespace)
        raws = [stored.raw for _, stored in found if selects(stored.object)]
        return _Pages(self.store.revision, raws)

    def _review(self, body: Json) -> Json:
        spec = body["spec"]
        pod_uid = self.tokens.get(spec["token"])
        alive = any(stored.uid == pod_uid for _, stored in self.store.everything())
        if pod_uid is None or not alive:
            return {**body, "status": {"authenticated": False, "error": "token is not accepted"}}
        extra = {"authentication.kubernetes.io/pod-uid": [pod_uid]}
        user = {"username": "system:serviceaccount:team-a:default", "extra": extra}
        status = {"authenticated": True, "user": user, "audiences": spec["audiences"]}
        return {**body, "status": status}

    def _uid(self) -> str:
        return f"00000000-0000-4000-8000-{next(self._uids):012d}"


def with_condition(found: Json, condition: Json) -> list[Json]:
    """The conditions of `found`, with this one added or replaced."""
    conditions = found["status"].get("conditions") or []
    return [*(each for each in conditions if each["type"] != condition["type"]), condition]


def _served(request: Request) -> Target:
    if request.target is None:
        raise Refused(404, "NotFound", "the server could not find the requested resource")
    return request.target


def _selects(request: Request) -> Callable[[Json], bool]:
    query = request.query
    return selector(query.get("labelSelector", ""), query.get("fieldSelector", ""))


def _partial(stored: Stored) -> bytes:
    return msgspec.json.encode(
        {
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": stored.object["metadata"],
        }
    )
