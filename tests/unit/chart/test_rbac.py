"""The shipped rules, word by word: a right more is a hole, a right less an operator that fails."""

from functools import cache
from typing import Any

import yaml

from stargate_lab import chart

Json = dict[str, Any]

READ = "get list watch"

CLUSTER = {
    "stargate.dev/stargatejobs": f"{READ} delete",
    "stargate.dev/stargatejobs/status": "update",
    "stargate.dev/stargatejobs/finalizers": "update",
    "stargate.dev/computeblocks": f"{READ} create patch",
    "stargate.dev/computeblocks/status": "update",
    "stargate.dev/acceleratorclasses": f"{READ} create patch",
    "stargate.dev/stargateruntimes": f"{READ} create patch",
    "/pods": f"{READ} create delete deletecollection",
    "/services": f"{READ} create delete",
    "/events": "create",
    "/nodes": READ,
    "scheduling.k8s.io/podgroups": f"{READ} create delete",
    "authentication.k8s.io/tokenreviews": "create",
}
OWN_NAMESPACE = {
    "coordination.k8s.io/leases": "get create update",
    "/pods": "patch",
}
CATALOG = {
    "stargate.dev/acceleratorclasses": READ,
    "stargate.dev/stargateruntimes": READ,
    "stargate.dev/computeblocks": READ,
}
BESIDE_JOBS = {f"/{each}": READ for each in ("pods", "pods/log", "events", "resourcequotas")}
RESEARCHER = {
    "stargate.dev/stargatejobs": f"{READ} create update patch delete deletecollection",
    **BESIDE_JOBS,
}
READER = {"stargate.dev/stargatejobs": READ, **BESIDE_JOBS}
OPERATOR = {
    "kind": "ServiceAccount",
    "name": "stargate-operator",
    "namespace": "stargate-system",
}
EVERYBODY = {
    "apiGroup": "rbac.authorization.k8s.io",
    "kind": "Group",
    "name": "system:authenticated",
}


@cache
def objects() -> dict[str, Json]:
    found = yaml.safe_load_all(chart.template("rbac.yaml", "people.yaml", "serviceaccount.yaml"))
    return {f"{one['kind']}/{one['metadata']['name']}": one for one in found}


def table(role: Json) -> dict[str, str]:
    """Group and resource to verbs. Fails on what a table of these two cannot say."""
    rows: dict[str, str] = {}
    for rule in role["rules"]:
        assert set(rule) == {"apiGroups", "resources", "verbs"}
        for resource in (f"{g}/{r}" for g in rule["apiGroups"] for r in rule["resources"]):
            assert resource not in rows, f"{resource} is stated twice"
            rows[resource] = " ".join(rule["verbs"])
    return rows


def test_the_chart_holds_these_and_no_other() -> None:
    assert sorted(objects()) == [
        "ClusterRole/stargate-catalog-reader",
        "ClusterRole/stargate-operator",
        "ClusterRole/stargate-reader",
        "ClusterRole/stargate-researcher",
        "ClusterRoleBinding/stargate-catalog-reader",
        "ClusterRoleBinding/stargate-operator",
        "Role/stargate-operator",
        "RoleBinding/stargate-operator",
        "ServiceAccount/stargate-operator",
    ]


def test_the_operator_s_rights_in_every_namespace() -> None:
    assert table(objects()["ClusterRole/stargate-operator"]) == CLUSTER


def test_the_operator_s_rights_in_its_own_namespace() -> None:
    role = objects()["Role/stargate-operator"]
    assert role["metadata"]["namespace"] == "stargate-system"
    assert table(role) == OWN_NAMESPACE


def test_the_catalog_is_there_for_everybody_to_read() -> None:
    assert table(objects()["ClusterRole/stargate-catalog-reader"]) == CATALOG


def test_people_s_rights_in_their_namespace() -> None:
    assert table(objects()["ClusterRole/stargate-researcher"]) == RESEARCHER
    assert table(objects()["ClusterRole/stargate-reader"]) == READER


def test_who_may_edit_or_view_a_namespace_has_them_without_a_binding() -> None:
    def joins(role: str) -> set[str]:
        labels = objects()[f"ClusterRole/{role}"]["metadata"]["labels"]
        return {key.rpartition("-")[2] for key, value in labels.items() if value == "true"}

    assert joins("stargate-researcher") == {"admin", "edit"}
    assert joins("stargate-reader") == {"view"}


def test_who_holds_which_role() -> None:
    found = objects()
    held = {
        name: (one["roleRef"]["kind"], one["roleRef"]["name"], one["subjects"])
        for name, one in found.items()
        if name.startswith(("ClusterRoleBinding/", "RoleBinding/"))
    }
    assert held == {
        "ClusterRoleBinding/stargate-operator": ("ClusterRole", "stargate-operator", [OPERATOR]),
        "RoleBinding/stargate-operator": ("Role", "stargate-operator", [OPERATOR]),
        "ClusterRoleBinding/stargate-catalog-reader": (
            "ClusterRole",
            "stargate-catalog-reader",
            [EVERYBODY],
        ),
    }


def test_no_rule_speaks_of_secrets_or_of_everything() -> None:
    roles = [one for one in objects().values() if "rules" in one]
    named = {
        word for one in roles for rule in one["rules"] for part in rule.values() for word in part
    }
    assert not named & {"secrets", "*", "impersonate", "escalate", "bind"}
