"""ServiceAccounts with rights of the test's choice."""

from pathlib import Path
from uuid import uuid4

from stargate_lab.cluster import installation
from stargate_lab.cluster.api import Api, Json
from stargate_lab.cluster.control_plane import ControlPlane
from stargate_lab.cluster.rights import Right, account, wait_applied

RBAC = "/apis/rbac.authorization.k8s.io/v1"


def account_with(
    plane: ControlPlane,
    namespace: str,
    rules: list[Json],
    folder: Path,
    *,
    everywhere: bool = False,
) -> Api:
    """A client with a new ServiceAccount's token. The rules apply when this returns.

    `everywhere`: in the whole cluster. The ClusterRole and its binding outlive the namespace.
    """
    name = f"account-{uuid4().hex[:6]}"
    meta = {"metadata": {"name": name}}
    plane.api.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", meta)
    at = RBAC if everywhere else f"{RBAC}/namespaces/{namespace}"
    kind = "ClusterRole" if everywhere else "Role"
    plane.api.create(f"{at}/{kind.lower()}s", {**meta, "rules": rules})
    plane.api.create(f"{at}/{kind.lower()}bindings", {**meta, **_binding(kind, name, namespace)})
    wait_applied(plane.api, account(name, namespace), Right.first_of(rules), namespace)
    path = folder / f"{name}.yaml"
    return Api.of(installation.service_account_kubeconfig(plane, namespace, name, path))


def _binding(kind: str, name: str, namespace: str) -> Json:
    return {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
    }
