"""Watches one object, and yields every version of it that the API server sends."""

import http.client
import json
import time
from collections.abc import Iterator
from urllib.parse import urlencode, urlsplit

from stargate_lab.cluster.api import Api, ApiError, Credentials, Json

_SILENCE_SECONDS = 90.0
_PAUSE = 0.5
_WATCH_ERRORS = (OSError, http.client.HTTPException, ValueError, ApiError)


def follow(credentials: Credentials, collection: str, name: str) -> Iterator[Json]:
    """Yields the object as it is now, then each change; lists again when the watch ends. Endless."""
    only = {"fieldSelector": f"metadata.name={name}"}
    while True:
        try:
            listed = Api(credentials).get(f"{collection}?{urlencode(only)}")
            yield from listed["items"]
            version = listed["metadata"]["resourceVersion"]
            yield from _watch(credentials, f"{collection}?{_watching(only, version)}")
        except _WATCH_ERRORS:
            time.sleep(_PAUSE)


def _watching(only: Json, version: str) -> str:
    query = {"watch": "1", "allowWatchBookmarks": "true", "resourceVersion": version}
    return urlencode({**only, **query})


def _watch(credentials: Credentials, path: str) -> Iterator[Json]:
    connection = http.client.HTTPSConnection(
        urlsplit(credentials.server).netloc, timeout=_SILENCE_SECONDS, context=credentials.ssl
    )
    try:
        connection.request("GET", path, headers=credentials.headers)
        for line in connection.getresponse():
            event = json.loads(line)
            if event["type"] in ("ADDED", "MODIFIED"):
                yield event["object"]
            elif event["type"] == "ERROR":
                return
    finally:
        connection.close()
