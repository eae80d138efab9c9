"""API keys of a simulated control plane: a file of tokens that the API server reads at its start.

A real cluster would have OIDC, or ServiceAccounts' tokens. This file is for people who try the
article's client by hand, and for the test that runs the example as it stands: its key is the one
below, and RBAC gives it the rights of a researcher in one namespace.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from stargate_lab.cluster.api import Api, Json
from stargate_lab.cluster.rights import Right, account, wait_applied

RESEARCHER = "stargate-researcher"
READER = "stargate-reader"
_READING = Right("get", "stargate.dev", "stargatejobs")
"""Both roles grant it."""


@dataclass(frozen=True)
class ApiKey:
    key: str
    user: str


EXAMPLE = ApiKey("YOUR_API_KEY", "researcher")
"""The key that `examples/train_on_stargate.py` holds."""


def write(keys: Iterable[ApiKey], path: Path) -> Path:
    path.touch(mode=0o600)
    path.write_text("".join(f"{each.key},{each.user},{each.user}\n" for each in keys))
    return path


def grant(api: Api, role: str, subject: Json, namespace: str) -> None:
    """Binds one of the roles above in one namespace, and returns when it applies. Idempotent."""
    name = f"{role}-{subject['name']}"
    group = "rbac.authorization.k8s.io"
    body = {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
        "subjects": [subject],
    }
    api.apply(f"/apis/{group}/v1/namespaces/{namespace}/rolebindings/{name}", body)
    wait_applied(api, _user_name(subject), _READING, namespace)


def user(key: ApiKey) -> Json:
    return {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": key.user}


def _user_name(subject: Json) -> str:
    name = str(subject["name"])
    return name if subject["kind"] == "User" else account(name, subject["namespace"])
