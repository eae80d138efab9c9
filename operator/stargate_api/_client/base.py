"""Base class of `Client` and `AsyncClient`: a connection to one cluster and the calls it offers."""

from importlib.metadata import PackageNotFoundError, version

from stargate_api._client.calls import Calls
from stargate_api._client.connection import Settings, connect
from stargate_api._client.retry import RetryPolicy
from stargate_api._client.secret import Secret
from stargate_api._client.transport import HttpTransport


class BaseClient:
    """A connection to one cluster. Many threads may share one client."""

    def __init__(
        self,
        api_key: str | None = None,
        *,
        endpoint: str | None = None,
        ca_file: str | None = None,
        namespace: str | None = None,
        kubeconfig: str | None = None,
        context: str | None = None,
        timeout: float = 30.0,
        retries: int = 5,
    ) -> None:
        """Finds the cluster and its credential. Raises InvalidConfig where there is no cluster.

        `api_key` is a bearer token of that cluster: of a ServiceAccount, or of an OIDC login.
        Without one, the client uses the kubeconfig's user. Arguments that you leave out come from
        `STARGATE_*` variables, the kubeconfig, or the pod's ServiceAccount, in this order;
        docs/client.md has the details.

        `timeout` is in seconds and bounds a whole call, its `retries` included.
        """
        api_key = None if api_key is None else Secret(api_key)  # also in a traceback's variables
        settings = Settings(api_key, endpoint, ca_file, namespace, kubeconfig, context)
        self._connection = connect(settings)
        retry_policy = RetryPolicy(timeout=timeout, retries=retries)
        self._calls = Calls(self._connection.namespace, retry_policy)
        self._transport = HttpTransport(self._connection, f"stargate_api/{package_version()}")

    def __repr__(self) -> str:
        if "_connection" not in vars(self):  # a traceback may show it before __init__ has ended
            return f"<{type(self).__name__}>"
        return f"<{type(self).__name__} of {self.endpoint}, namespace {self.namespace}>"

    @property
    def endpoint(self) -> str:
        """URL of the API server."""
        return self._connection.server

    @property
    def namespace(self) -> str:
        """Namespace of jobs that a call names without one."""
        return self._connection.namespace


def package_version() -> str:
    """Version of the installed package, or `unknown` where it is not installed."""
    try:
        return version("stargate-operator")
    except PackageNotFoundError:
        return "unknown"
