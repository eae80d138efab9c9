"""Finds the cluster, the namespace and the credential of a client.

Each comes from the first of these sources that states it:

1. the arguments of the client
2. `STARGATE_API_KEY`, `STARGATE_ENDPOINT`, `STARGATE_CA_FILE`, `STARGATE_NAMESPACE`,
   `STARGATE_CONTEXT`
3. the kubeconfig (argument, `KUBECONFIG`, `~/.kube/config`): its current context, or the named one
4. inside a pod, its ServiceAccount

A credential goes only to its own cluster. A stated endpoint gets the stated key and never the
kubeconfig's user. A stated key replaces that user, and no login plugin runs. A kubeconfig or context
given as an argument names the cluster, so variables that name another cluster are ignored.
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
"""Size of the connection pool; urllib3 logs a warning for each connection beyond it."""
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SUBJECT = "the client's configuration"


@dataclass(frozen=True)
class Settings:
    """The settings of the caller, by argument or by variable; None where nothing is stated."""

    api_key: str | None = field(default=None, repr=False)
    endpoint: str | None = None
    ca_file: str | None = None
    namespace: str | None = None
    kubeconfig: str | None = None
    context: str | None = None

    def completed(self) -> "Settings":
        """The settings, completed from the environment.

        Checks nothing: a traceback from here would show the environment, and with it the key.
        """
        variable = _no_variable if self._names_a_cluster else os.environ.get
        return Settings(
            api_key=_hidden(_first(self.api_key, variable("STARGATE_API_KEY"))),
            endpoint=_first(self.endpoint, variable("STARGATE_ENDPOINT")),
            ca_file=_first(self.ca_file, variable("STARGATE_CA_FILE")),
            namespace=_first(self.namespace, os.environ.get("STARGATE_NAMESPACE")),
            kubeconfig=_first(self.kubeconfig, os.environ.get("KUBECONFIG")),
            context=_first(self.context, variable("STARGATE_CONTEXT")),
        )

    @property
    def _names_a_cluster(self) -> bool:
        """True if an argument names a cluster, so that variables which name another do not count."""
        return self.endpoint is None and (self.kubeconfig or self.context) is not None


@dataclass(frozen=True)
class Connection:
    """How to reach one cluster, and as whom."""

    server: str
    namespace: str
    configuration: Any = field(repr=False)
    """The official client's configuration, with TLS and proxies. It has no types."""
    authorization: Callable[[], str | None] = field(repr=False)
    """Returns the current Authorization header, because tokens rotate."""


def connect(settings: Settings) -> Connection:
    """The connection that the settings lead to; opens no socket. Raises InvalidConfig without one."""
    settings = settings.completed()
    _check_key(settings.api_key)
    if settings.endpoint is not None:
        return _to_endpoint(settings)
    kubeconfig = settings.kubeconfig or _default_kubeconfig()
    if kubeconfig is not None:
        return _from_kubeconfig(settings, kubeconfig)
    if os.environ.get("KUBERNETES_SERVICE_HOST") and (_POD / "ca.crt").exists():
        return _from_pod(settings)
    raise _invalid(
        "endpoint",
        "no cluster is known: give endpoint and api_key (STARGATE_ENDPOINT, STARGATE_API_KEY), or"
        " use a kubeconfig (KUBECONFIG, ~/.kube/config)",
    )


def _to_endpoint(settings: Settings) -> Connection:
    server = _checked_endpoint(settings)
    configuration = client.Configuration()
    configuration.host = server
    configuration.ssl_ca_cert = _checked_file(settings.ca_file, "ca_file")
    return _connection(settings, configuration, "default")


def _from_kubeconfig(settings: Settings, paths: str) -> Connection:
    configuration = client.Configuration()
    try:
        merged = _KUBECONFIG.KubeConfigMerger(paths).config
        if merged is None:
            raise _invalid("kubeconfig", f"{paths} does not exist")
        if settings.api_key is not None:
            merged.value["users"] = []
        loader = _KUBECONFIG.KubeConfigLoader(config_dict=merged, active_context=settings.context)
        loader.load_and_set(configuration)
        stated = loader.current_context["context"].get("namespace")
    except config.ConfigException as error:
        raise _invalid("kubeconfig", f"{paths} cannot be used: {error}") from None
    if settings.ca_file is not None:
        configuration.ssl_ca_cert = _checked_file(settings.ca_file, "ca_file")
    return _connection(settings, configuration, stated or "default")


def _from_pod(settings: Settings) -> Connection:
    configuration = client.Configuration()
    try:
        _CONFIG.load_incluster_config(client_configuration=configuration)
    except config.ConfigException as error:
        raise _invalid("endpoint", f"this pod's ServiceAccount cannot be used: {error}") from None
    return _connection(settings, configuration, (_POD / "namespace").read_text().strip())


def _connection(settings: Settings, configuration: Any, namespace: str) -> Connection:
    configuration.connection_pool_maxsize = _CONNECTIONS
    return Connection(
        server=configuration.host.rstrip("/"),
        namespace=check_namespace(settings.namespace or namespace),
        configuration=configuration,
        authorization=_bearer_authorization(settings.api_key)
        if settings.api_key
        else _user_authorization(configuration),
    )


def _bearer_authorization(key: str) -> Callable[[], str | None]:
    header = Secret(f"Bearer {key}")
    return lambda: header


def _user_authorization(configuration: Any) -> Callable[[], str | None]:
    """The kubeconfig user's header. The loader's hook renews it, from a file or a login plugin."""
    return lambda: configuration.get_api_key_with_prefix("BearerToken")


def _default_kubeconfig() -> str | None:
    default = Path.home() / ".kube" / "config"
    return str(default) if default.is_file() else None


def _checked_endpoint(settings: Settings) -> str:
    endpoint = str(settings.endpoint)
    url = urlsplit(endpoint)
    if url.scheme not in ("https", "http") or not url.hostname:
        raise _invalid("endpoint", f"must be like https://host:6443; it is {endpoint!r}")
    if settings.api_key is None:
        raise _invalid(
            "api_key",
            "an endpoint needs a key: give api_key or STARGATE_API_KEY, such as a token of"
            " `kubectl create token <ServiceAccount> -n <namespace>`",
        )
    if url.scheme == "http" and url.hostname not in _LOOPBACK:
        raise _invalid("endpoint", f"must be https: the key must not travel in clear to {endpoint}")
    return endpoint


def _first(value: str | None, variable: str | None) -> str | None:
    return value if value is not None else variable or None


def _no_variable(_: str) -> None:
    return None


def _hidden(key: str | None) -> Secret | None:
    return None if key is None else Secret(str(key).strip())


def _check_key(key: str | None) -> None:
    """Raises InvalidConfig for a key that cannot be sent. The message never repeats the key."""
    if key is None or (key and key.isascii() and key.isprintable() and " " not in key):
        return
    raise _invalid("api_key", "must be one word of ASCII letters, digits and signs")


def _checked_file(path: str | None, name: str) -> str | None:
    if path is not None and not Path(path).is_file():
        raise _invalid(name, f"{path} is not a file")
    return path


def _invalid(field_name: str, message: str) -> InvalidConfig:
    return InvalidConfig([Problem(field_name, message)], _SUBJECT)
