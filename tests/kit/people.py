"""Users with keys: ServiceAccounts in a test's namespace that have only the shipped roles."""

from dataclasses import dataclass
from typing import Any

from stargate_api import AsyncClient, Client
from stargate_lab.cluster import api_keys
from stargate_lab.cluster.control_plane import ControlPlane


@dataclass(frozen=True)
class Person:
    """`key` is the token of a ServiceAccount."""

    plane: ControlPlane
    namespace: str
    key: str

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that the user would set."""
        return {
            "STARGATE_API_KEY": self.key,
            "STARGATE_ENDPOINT": self.plane.api.credentials.server,
            "STARGATE_CA_FILE": str(self.plane.ca_file),
            "STARGATE_NAMESPACE": self.namespace,
        }

    def client(self, **more: Any) -> Client:
        return Client(self.key, **{**self._way, **more})

    def async_client(self) -> AsyncClient:
        return AsyncClient(self.key, **self._way)

    @property
    def _way(self) -> dict[str, Any]:
        return {
            "endpoint": self.plane.api.credentials.server,
            "ca_file": str(self.plane.ca_file),
            "namespace": self.namespace,
        }


@dataclass(frozen=True)
class People:
    plane: ControlPlane
    namespace: str

    def researcher(self) -> Person:
        return self._person("researcher", api_keys.RESEARCHER)

    def reader(self) -> Person:
        return self._person("reader", api_keys.READER)

    def _person(self, name: str, role: str) -> Person:
        api, core = self.plane.api, f"/api/v1/namespaces/{self.namespace}/serviceaccounts"
        api.create(core, {"metadata": {"name": name}})
        subject = {"kind": "ServiceAccount", "name": name, "namespace": self.namespace}
        api_keys.grant(api, role, subject, self.namespace)
        asked = api.create(f"{core}/{name}/token", {"spec": {"expirationSeconds": 3600}})
        return Person(self.plane, self.namespace, asked["status"]["token"])
