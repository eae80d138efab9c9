"""Finds out whether the scheduler itself keeps gangs whole, by a dry run.

With its feature gate off, the API server may serve PodGroups and still drop a pod's `schedulingGroup`
silently, so the answer to a dry run is read in full.

See docs/decisions/0006-native-gangs-and-their-size.md.
"""

from collections.abc import Iterable

import msgspec
import structlog

from stargate_operator.kube.client import Client
from stargate_operator.kube.errors import ApiError

log = structlog.get_logger(__name__)

_GROUP = "scheduling.k8s.io"
_VERSIONS = ("v1", "v1beta1", "v1alpha2")


class _Resource(msgspec.Struct):
    name: str


class _Resources(msgspec.Struct):
    resources: list[_Resource] = []


class _SchedulingGroup(msgspec.Struct, rename="camel"):
    pod_group_name: str = ""


class _Spec(msgspec.Struct, rename="camel"):
    scheduling_group: _SchedulingGroup | None = None


class _Pod(msgspec.Struct):
    spec: _Spec


async def find_group_version(client: Client, *, namespaces: Iterable[str]) -> str | None:
    """The API version of PodGroup to use, or None if pods cannot be in a gang. A namespace may refuse
    the pod of the dry run, and then the next one is tried."""
    for version in _VERSIONS:
        group_version = f"{_GROUP}/{version}"
        if await _serves(client, group_version):
            return group_version if await _keeps_the_group(client, namespaces) else None
    return None


async def _serves(client: Client, group_version: str) -> bool:
    try:
        found = await client.get(f"/apis/{group_version}", _Resources)
    except ApiError as error:
        if error.not_found:
            return False
        raise
    return any(each.name == "podgroups" for each in found.resources)


async def _keeps_the_group(client: Client, namespaces: Iterable[str]) -> bool:
    for namespace in namespaces:
        path = f"/api/v1/namespaces/{namespace}/pods"
        body = msgspec.json.encode(_probe())
        try:
            answer = await client.create_for(path, body, _Pod, query={"dryRun": "All"})
        except ApiError as error:
            log.warning("native gangs could not be tested", namespace=namespace, error=str(error))
            continue
        return answer.spec.scheduling_group is not None
    return False


def _probe() -> dict[str, object]:
    """A pod that the restricted Pod Security level accepts; it is never stored."""
    container = {
        "name": "probe",
        "image": "probe",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "native-gang-probe-"},
        "spec": {
            "schedulingGroup": {"podGroupName": "probe"},
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
        },
    }
