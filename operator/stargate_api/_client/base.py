"""What both clients are: a way to one cluster, and the calls that go it."""

from importlib.metadata import PackageNotFoundError, version

from stargate_api._client.calls import Calls
from stargate_api._client.connection import Settings, connect
from stargate_api._client.patience import Patience
from stargate_api._client.secret import Secret
from stargate_api._client.transport import HttpTransport


class BaseClient:
    """A way to one cluster.

    `api_key` is a bearer token of that cluster: a ServiceAccount's or one of OIDC. Without one the
    kubeconfig's own user is taken. What is not given here comes from `STARGATE_*` variables, the
    kubeconfig, or the pod's ServiceAccount; `stargate_api._client.connection` states the order.

    `timeout` is in seconds, for each call with its `retries`. A client may be used by many threads.
    """

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
        api_key = None if api_key is None else Secret(api_key)  # also in a traceback's variables
        said = Settings(api_key, endpoint, ca_file, namespace, kubeconfig, context)
        self._connection = connect(said)
        patience = Patience(timeout=timeout, retries=retries)
        self._calls = Calls(self._connection.namespace, patience)
        self._transport = HttpTransport(self._connection, f"stargate_api/{package_version()}")

    def __repr__(self) -> str:
        if "_connection" not in vars(self):  # a traceback shows it half made
            return f"<{type(self).__name__}>"
        return f"<{type(self).__name__} of {self.endpoint}, namespace {self.namespace}>"

    @property
    def endpoint(self) -> str:
        """The API server."""
        return self._connection.server

    @property
    def namespace(self) -> str:
        """Of jobs that are named without one."""
        return self._connection.namespace


def package_version() -> str:
    try:
        return version("stargate-operator")
    except PackageNotFoundError:
        return "unknown"
