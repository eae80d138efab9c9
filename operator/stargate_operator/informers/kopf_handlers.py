"""The handlers of kopf, which watches the custom resources. Each event wakes the jobs that it concerns.

All handlers are event handlers and async. kopf runs other functions in threads, outside of the event
loop that the rest runs in. Any other kind of handler adds finalizers and keeps its state in annotations
of the resource, so that nobody could delete a job while the operator is down.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import kopf

from stargate_operator.informers.catalog import Catalog
from stargate_operator.informers.jobs import Jobs
from stargate_operator.informers.kopf_watchers import Watched
from stargate_operator.model.scope import Scope
from stargate_types import GROUP, VERSION

_CATALOG = ("stargateruntimes", "acceleratorclasses", "computeblocks")

_SERVER_TIMEOUT = 240
"""Seconds after which the API server ends a watch; kopf resumes it."""
_CLIENT_TIMEOUT = 270
_CONNECT_TIMEOUT = 10
_SILENCE = 70
"""Seconds without an event after which kopf reconnects. Bookmarks come every minute."""


def watched(scope: Scope) -> frozenset[Watched]:
    """The watches of kopf: jobs for each namespace, and the catalog, whose kinds have no namespace."""
    jobs = (("stargatejobs", namespace) for namespace in scope.parts)
    return frozenset((*jobs, *((kind, None) for kind in _CATALOG)))


def kopf_settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.batching.worker_limit = None
    settings.watching.server_timeout = _SERVER_TIMEOUT
    settings.watching.client_timeout = _CLIENT_TIMEOUT
    settings.watching.connect_timeout = _CONNECT_TIMEOUT
    settings.watching.inactivity_timeout = _SILENCE
    settings.networking.error_backoffs = [0.1, 0.5, 1, 2, 3, 5, 8, 10, 15, 20, 30, 30, 30, 30]
    return settings


Handler = Callable[[Mapping[str, Any]], None]
"""Called with each event of a watch: its type and the object."""


def handlers(
    jobs: Jobs,
    catalog: Catalog,
    *,
    wake: Callable[[str], None],
    wake_all: Callable[[], None],
) -> dict[str, Handler]:
    """The handlers of events by the plural of the kind. `wake` takes a job's UID; a change of the
    catalog may concern all jobs."""

    def job_event(event: Mapping[str, Any]) -> None:
        uid = event["object"]["metadata"]["uid"]
        if event["type"] == "DELETED":
            jobs.remove(uid)
        elif not jobs.take(dict(event["object"])):
            return
        wake(uid)

    def catalog_event(put: Callable[[Mapping[str, Any]], bool | None]) -> Handler:
        def handler(event: Mapping[str, Any]) -> None:
            if event["type"] == "DELETED":
                catalog.remove(event["object"]["metadata"]["uid"])
            elif put(dict(event["object"])) is False:
                return
            wake_all()

        return handler

    return {
        "stargatejobs": job_event,
        "stargateruntimes": catalog_event(catalog.put_runtime),
        "acceleratorclasses": catalog_event(catalog.put_class),
        "computeblocks": catalog_event(catalog.put_block),
    }


def register(handlers: Mapping[str, Handler]) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**kwargs) or kopf.login_via_client(**kwargs)

    for plural, handler in handlers.items():
        kopf.on.event(GROUP, VERSION, plural, id=plural, registry=registry)(_as_kopf_calls(handler))
    return registry


def _as_kopf_calls(handler: Handler) -> Callable[..., Awaitable[None]]:
    async def handle(event: kopf.RawEvent, **_: Any) -> None:
        handler(cast("Mapping[str, Any]", event))

    return handle
