"""The address of the API server and our credentials for it.

The order is the one people know from kubectl: an explicit file, KUBECONFIG, ~/.kube/config, and
inside a pod its ServiceAccount. A kubeconfig is read by the official client (exec plugins, OIDC);
it is imported only then, because it costs 24 MiB that a pod need not pay.
Credentials stay in closures: nothing here may put one in a repr, a log or an error.
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_REFRESH_SECONDS = 60.0

log = structlog.get_logger(__name__)


class ConfigError(Exception):
    """The configuration leads to no usable API server. The message says why."""


@dataclass(frozen=True)
class Endpoint:
    """The address of the API server, and how to authenticate to it. `server` is its URL."""

    server: str
    ssl: ssl.SSLContext | None = field(repr=False)
    authorization: Callable[[], str | None] = field(repr=False)
    """Returns the present Authorization header. Tokens rotate."""
    namespace: str
    server_name: str | None = None
    """The name in the server's certificate, if it is not the host of `server`."""


def load_endpoint(kubeconfig: Path | None = None) -> Endpoint:
    found = _find_kubeconfig(kubeconfig)
    if found is not None:
        return _from_kubeconfig(found)
    if os.environ.get("KUBERNETES_SERVICE_HOST") and (_SERVICE_ACCOUNT / "token").exists():
        return _from_pod(_SERVICE_ACCOUNT)
    raise ConfigError("no kubeconfig (KUBECONFIG, ~/.kube/config), and not in a pod")


def _find_kubeconfig(explicit: Path | None) -> str | None:
    if explicit is not None:
        if not explicit.is_file():
            raise ConfigError(f"kubeconfig {explicit} does not exist")
        return str(explicit)
    paths = os.environ.get("KUBECONFIG")
    if paths:
        return paths
    default = Path.home() / ".kube" / "config"
    return str(default) if default.is_file() else None


def _from_pod(mount: Path) -> Endpoint:
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    return Endpoint(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        ssl=ssl.create_default_context(cafile=str(mount / "ca.crt")),
        authorization=bearer_of_file(mount / "token"),
        namespace=(mount / "namespace").read_text().strip(),
    )


def bearer_of_file(
    path: Path, clock: Callable[[], float] = time.monotonic
) -> Callable[[], str | None]:
    """The kubelet rotates the token in place, long before the old one expires."""
    return _at_most_every_minute(lambda: f"Bearer {path.read_text().strip()}", clock)


def _at_most_every_minute(
    read: Callable[[], str | None], clock: Callable[[], float]
) -> Callable[[], str | None]:
    """Keeps the last good value if the file cannot be read, because it stays valid for a while."""
    value = read()
    read_at = clock()

    def current() -> str | None:
        nonlocal value, read_at
        if clock() - read_at >= _REFRESH_SECONDS:
            read_at = clock()
            try:
                value = read()
            except Exception as error:  # a file, an exec plugin, an OIDC provider: anything
                log.warning("credentials not refreshed", error=type(error).__name__)
        return value

    return current


def _from_kubeconfig(path: str) -> Endpoint:
    from kubernetes import client, config

    official = client.Configuration()
    official_loader: Any = config  # it has no types
    try:
        official_loader.load_kube_config(config_file=path, client_configuration=official)
        _, active = official_loader.list_kube_config_contexts(config_file=path)
    except config.ConfigException as error:
        raise ConfigError(f"kubeconfig {path}: {error}") from None
    if official.proxy:
        log.warning("proxies are not supported; connecting directly", server=official.host)
    return Endpoint(
        server=official.host,
        ssl=_tls_of(official) if official.host.startswith("https") else None,
        authorization=_at_most_every_minute(
            lambda: official.get_api_key_with_prefix("BearerToken"), time.monotonic
        ),
        namespace=active["context"].get("namespace", "default"),
        server_name=official.tls_server_name,
    )


def _tls_of(official: Any) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=official.ssl_ca_cert)
    if not official.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if official.cert_file:
        context.load_cert_chain(official.cert_file, official.key_file)
    return context
