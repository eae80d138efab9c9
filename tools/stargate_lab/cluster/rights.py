"""Waits until the API server applies rights that were just granted.

The API server reads roles and bindings through watches of its own. For a moment after a grant it still
refuses, and a request of that moment fails with 403.
"""

from dataclasses import dataclass

from stargate_lab.cluster.api import Api, Json
from stargate_lab.host.waiting import wait_until

APPLIED_SECONDS = 30.0


class NotAppliedError(RuntimeError):
    """The API server does not apply a grant."""


@dataclass(frozen=True)
class Right:
    """What a user may do in a namespace. `verb` and `resource` are those of an RBAC rule."""

    verb: str
    group: str
    resource: str

    @staticmethod
    def first_of(rules: list[Json]) -> "Right":
        """The first right that RBAC rules grant. Rules of one role are applied together."""
        rule = rules[0]
        return Right(rule["verbs"][0], rule["apiGroups"][0], rule["resources"][0])


def account(name: str, namespace: str) -> str:
    """The user name of a ServiceAccount."""
    return f"system:serviceaccount:{namespace}:{name}"


def wait_applied(api: Api, user: str, right: Right, namespace: str) -> None:
    """Raises NotAppliedError after 30 s. `api` is an administrator's."""
    resource, _, subresource = right.resource.partition("/")
    asked = {
        "user": user,
        "resourceAttributes": {
            "verb": right.verb,
            "group": right.group,
            "resource": resource,
            "subresource": subresource,
            "namespace": namespace,
        },
    }

    def is_applied() -> bool:
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        answer = api.create(path, {"spec": asked})
        return bool(answer["status"]["allowed"])

    if not wait_until(is_applied, APPLIED_SECONDS):
        raise NotAppliedError(
            f"{user} may not {right.verb} {right.resource} in {namespace}, "
            f"{APPLIED_SECONDS:g} s after the grant"
        )
