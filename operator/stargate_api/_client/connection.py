"""Which cluster, which namespace, and who we are there.

Each is looked for in this order; the first that says it wins:

1. the arguments of the client
2. `STARGATE_API_KEY`, `STARGATE_ENDPOINT`, `STARGATE_CA_FILE`, `STARGATE_NAMESPACE`,
   `STARGATE_CONTEXT`
3. the kubeconfig (argument, `KUBECONFIG`, `~/.kube/config`): its current context, or the named one
4. inside a pod, its ServiceAccount

A credential goes only where it belongs: an endpoint that was stated gets the stated key alone, never
the kubeconfig's user; a stated key replaces that user, and no login plugin of it is run. Who names a
kubeconfig or a context as an argument means that cluster: variables of another are passed over.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kubernetes import client, config
from kubernetes.config import kube_config

from stargate_api._client.naming import check_namespace
from stargate_api._client.secret import Secret
from stargate_api.errors import InvalidConfig, Problem

_CONFIG: Any = config  # neither has types
_KUBECONFIG: Any = kube_config
_POD = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_CONNECTIONS = 64
"""Kept at most; urllib3 warns in the log of each that it throws away."""
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SUBJECT = "the client's configuration"


@dataclass(frozen=True)
class Settings:
    """What was said, by argument or variable."""

    api_key: str | None = field(default=None, repr=False)
    endpoint: str | None = None
    ca_file: str | None = None
    namespace: str | None = None
    kubeconfig: str | None = None
    context: str | None = None

    def completed(self) -> "Settings":
        """With what the environment says of the rest. Checks nothing: what raises here would have
        the environment, and the key in it, among its variables."""
        variable = _no_variable if self._names_a_cluster else os.environ.get
        return Settings(
            api_key=_hidden(_said(self.api_key, variable("STARGATE_API_KEY"))),
            endpoint=_said(self.endpoint, variable("STARGATE_ENDPOINT")),
            ca_file=_said(self.ca_file, variable("STARGATE_CA_FILE")),
            namespace=_said(self.namespace, os.environ.get("STARGATE_NAMESPACE")),
            kubeconfig=_said(self.kubeconfig, os.environ.get("KUBECONFIG")),
            context=_said(self.context, variable("STARGATE_CONTEXT")),
        )

    @property
    def _names_a_cluster(self) -> bool:
        """By a kubeconfig or context of its own: variables that name another, and its key, are not
        meant."""
        return self.endpoint is None and (self.kubeconfig or self.context) is not None


@dataclass(frozen=True)
class Connection:
    server: str
    namespace: str
    configuration: Any = field(repr=False)
    """The official client's: TLS and proxies. It has no types."""
    authorization: Callable[[], str | None] = field(repr=False)
    """The header as of now: tokens rotate."""


def connect(settings: Settings) -> Connection:
    """Opens nothing yet. Raises InvalidConfig where there is no way to a cluster."""
    said = settings.completed()
    _check_key(said.api_key)
    if said.endpoint is not None:
        return _to_endpoint(said)
    kubeconfig = said.kubeconfig or _default_kubeconfig()
    if kubeconfig is not None:
        return _by_kubeconfig(said, kubeconfig)
    if os.environ.get("KUBERNETES_SERVICE_HOST") and (_POD / "ca.crt").exists():
        return _from_pod(said)
    raise _invalid(
        "endpoint",
        "no cluster is known: give endpoint and api_key (STARGATE_ENDPOINT, STARGATE_API_KEY), or"
        " have a kubeconfig (KUBECONFIG, ~/.kube/config)",
    )


def _to_endpoint(said: Settings) -> Connection:
    server = _checked_endpoint(said)
    official = client.Configuration()
    official.host = server
    official.ssl_ca_cert = _checked_file(said.ca_file, "ca_file")
    return _connection(said, official, "default")


def _by_kubeconfig(said: Settings, paths: str) -> Connection:
    official = client.Configuration()
    try:
        merged = _KUBECONFIG.KubeConfigMerger(paths).config
        if merged is None:
            raise _invalid("kubeconfig", f"{paths} does not exist")
        if said.api_key is not None:
            merged.value["users"] = []
        loader = _KUBECONFIG.KubeConfigLoader(config_dict=merged, active_context=said.context)
        loader.load_and_set(official)
        stated = loader.current_context["context"].get("namespace")
    except config.ConfigException as error:
        raise _invalid("kubeconfig", f"{paths} cannot be used: {error}") from None
    if said.ca_file is not None:
        official.ssl_ca_cert = _checked_file(said.ca_file, "ca_file")
    return _connection(said, official, stated or "default")


def _from_pod(said: Settings) -> Connection:
    official = client.Configuration()
    try:
        _CONFIG.load_incluster_config(client_configuration=official)
    except config.ConfigException as error:
        raise _invalid("endpoint", f"this pod's ServiceAccount cannot be used: {error}") from None
    return _connection(said, official, (_POD / "namespace").read_text().strip())


def _connection(said: Settings, official: Any, namespace: str) -> Connection:
    official.connection_pool_maxsize = _CONNECTIONS
    return Connection(
        server=official.host.rstrip("/"),
        namespace=check_namespace(said.namespace or namespace),
        configuration=official,
        authorization=_bearer(said.api_key) if said.api_key else _of_user(official),
    )


def _bearer(key: str) -> Callable[[], str | None]:
    header = Secret(f"Bearer {key}")
    return lambda: header


def _of_user(official: Any) -> Callable[[], str | None]:
    """The loader's hook renews it: a file that rotates, a login plugin."""
    return lambda: official.get_api_key_with_prefix("BearerToken")


def _default_kubeconfig() -> str | None:
    default = Path.home() / ".kube" / "config"
    return str(default) if default.is_file() else None


def _checked_endpoint(said: Settings) -> str:
    endpoint = str(said.endpoint)
    url = urlsplit(endpoint)
    if url.scheme not in ("https", "http") or not url.hostname:
        raise _invalid("endpoint", f"must be like https://host:6443; it is {endpoint!r}")
    if said.api_key is None:
        raise _invalid(
            "api_key",
            "an endpoint needs a key: give api_key or STARGATE_API_KEY, such as a token of"
            " `kubectl create token <ServiceAccount> -n <namespace>`",
        )
    if url.scheme == "http" and url.hostname not in _LOOPBACK:
        raise _invalid("endpoint", f"must be https: the key must not travel in clear to {endpoint}")
    return endpoint


def _said(value: str | None, variable: str | None) -> str | None:
    return value if value is not None else variable or None


def _no_variable(_: str) -> None:
    return None


def _hidden(key: str | None) -> Secret | None:
    return None if key is None else Secret(str(key).strip())


def _check_key(key: str | None) -> None:
    """The message never repeats it."""
    if key is None or (key and key.isascii() and key.isprintable() and " " not in key):
        return
    raise _invalid("api_key", "must be one word of ASCII letters, digits and signs")


def _checked_file(path: str | None, name: str) -> str | None:
    if path is not None and not Path(path).is_file():
        raise _invalid(name, f"{path} is no file")
    return path


def _invalid(field_name: str, message: str) -> InvalidConfig:
    return InvalidConfig([Problem(field_name, message)], _SUBJECT)
