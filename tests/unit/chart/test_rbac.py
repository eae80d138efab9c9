"""The chart's RBAC rules, each listed: one more is a security hole, one less makes the operator fail."""

from collections.abc import Iterator

import pytest

from tests.kit.rendered import EVERYTHING, Json, Objects, rendered

READ = "get list watch"

GANGS = {
    "stargate.dev/stargatejobs": f"{READ} delete",
    "stargate.dev/stargatejobs/status": "update",
    "stargate.dev/stargatejobs/finalizers": "update",
    "/pods": f"{READ} create delete",
    "/services": f"{READ} create delete",
    "/events": "create",
    "scheduling.k8s.io/podgroups": f"{READ} create delete",
}
CLUSTER = {
    "stargate.dev/computeblocks": "list watch get create patch",
    "stargate.dev/computeblocks/status": "update",
    "stargate.dev/acceleratorclasses": "list watch get create patch",
    "stargate.dev/stargateruntimes": "list watch get create patch",
    "/nodes": "list watch",
    "authentication.k8s.io/tokenreviews": "create",
}
EVERYBODY_S_PODS = {"/pods": "list watch"}
OWN_NAMESPACE = {
    "coordination.k8s.io/leases": "create",
    "coordination.k8s.io/leases/stargate-operator": "get update",
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


KINDS = ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "ServiceAccount")


def roles(objects: Objects) -> Iterator[Json]:
    return (each for each in objects.all if each["kind"] in KINDS[0:4:2])


def table(role: Json) -> dict[str, str]:
    """Group, resource and name to verbs. Fails on what a table of these cannot say."""
    rows: dict[str, str] = {}
    for rule in role["rules"]:
        assert set(rule) - {"resourceNames"} == {"apiGroups", "resources", "verbs"}
        names = [f"/{each}" for each in rule.get("resourceNames", ())] or [""]
        for resource in (
            f"{g}/{r}{n}" for g in rule["apiGroups"] for r in rule["resources"] for n in names
        ):
            assert resource not in rows, f"{resource} is stated twice"
            rows[resource] = " ".join(rule["verbs"])
    return rows


def test_chart_has_only_these_roles() -> None:
    found = {name for name in rendered().names if name.partition("/")[0] in KINDS}
    assert found == {
        "ClusterRole/stargate-catalog-reader",
        "ClusterRole/stargate-operator",
        "ClusterRole/stargate-reader",
        "ClusterRole/stargate-researcher",
        "ClusterRoleBinding/stargate-catalog-reader",
        "ClusterRoleBinding/stargate-operator",
        "Role/stargate-operator",
        "RoleBinding/stargate-operator",
        "ServiceAccount/stargate-operator",
    }


def test_the_operator_s_rights_in_every_namespace() -> None:
    assert table(rendered().one("ClusterRole")) == {**GANGS, **CLUSTER}


def test_the_operator_s_rights_in_its_own_namespace() -> None:
    role = rendered().one("Role")
    assert role["metadata"]["namespace"] == "stargate-system"
    assert table(role) == OWN_NAMESPACE


def test_operator_writes_only_in_watched_namespaces() -> None:
    found = rendered(EVERYTHING)
    gangs = [each for each in found.of("Role") if each["metadata"]["name"] != "stargate-operator"]
    assert [each["metadata"]["namespace"] for each in gangs] == ["team-a", "team-b"]
    assert [table(each) for each in gangs] == [GANGS, GANGS]
    assert table(found.one("ClusterRole")) == {**CLUSTER, **EVERYBODY_S_PODS}
    assert table(found.one("Role")) == OWN_NAMESPACE


def test_each_watched_namespace_binds_the_operator_s_role() -> None:
    bindings = rendered(EVERYTHING).of("RoleBinding")[1:]
    assert [each["metadata"]["namespace"] for each in bindings] == ["team-a", "team-b"]
    for each in bindings:
        assert each["roleRef"]["kind"] == "Role"
        assert each["roleRef"]["name"] == "stargate-operator-gangs"
        assert each["subjects"] == [OPERATOR]


def test_without_defaults_the_operator_only_reads_the_catalog() -> None:
    found = table(rendered("defaults: {enabled: false}").one("ClusterRole"))
    assert {found[each] for each in CATALOG} == {"list watch"}


def test_operator_has_rights_to_one_lease_only() -> None:
    found = table(rendered("settings: {leaseName: other}").one("Role"))
    assert found["coordination.k8s.io/leases/other"] == "get update"
    assert "coordination.k8s.io/leases/stargate-operator" not in found


def test_no_role_is_made_when_rbac_is_off() -> None:
    found = rendered("rbac: {create: false}\nserviceAccount: {create: false, name: mine}")
    assert not [name for name in found.names if name.partition("/")[0] in KINDS]
    assert found.pod["spec"]["serviceAccountName"] == "mine"


def test_everybody_may_read_the_catalog() -> None:
    assert table(rendered().one("ClusterRole", "stargate-catalog-reader")) == CATALOG


def test_people_s_rights_in_their_namespace() -> None:
    assert table(rendered().one("ClusterRole", "stargate-researcher")) == RESEARCHER
    assert table(rendered().one("ClusterRole", "stargate-reader")) == READER


def test_edit_and_view_roles_include_the_jobs() -> None:
    def joins(role: str) -> set[str]:
        labels = rendered().one("ClusterRole", role)["metadata"]["labels"]
        return {key.rpartition("-")[2] for key, value in labels.items() if value == "true"}

    assert joins("stargate-researcher") == {"admin", "edit"}
    assert joins("stargate-reader") == {"view"}


def test_roles_have_the_intended_subjects() -> None:
    held = {
        f"{one['kind']}/{one['metadata']['name']}": (
            one["roleRef"]["kind"],
            one["roleRef"]["name"],
            one["subjects"],
        )
        for one in rendered().all
        if "roleRef" in one
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


@pytest.mark.parametrize("values", ["", EVERYTHING], ids=["defaults", "everything"])
def test_no_rule_names_secrets_or_wildcards(values: str) -> None:
    named = {
        word
        for role in roles(rendered(values))
        for rule in role["rules"]
        for part in rule.values()
        for word in part
    }
    assert not named & {"secrets", "*", "impersonate", "escalate", "bind"}
