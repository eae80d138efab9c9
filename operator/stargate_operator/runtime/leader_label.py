"""Moves the label by which the report Service selects the leader's pod.

The leader removes it from all other pods before it sets it on its own.
"""

import msgspec
import structlog

from stargate_operator.constants import LABEL_LEADER
from stargate_operator.kube.client import Client
from stargate_operator.kube.errors import ApiError
from stargate_operator.kube.meta import Partial

log = structlog.get_logger(__name__)


class _Pods(msgspec.Struct):
    items: list[Partial] = []


async def take_label(client: Client, *, namespace: str, pod_name: str) -> None:
    pods = f"/api/v1/namespaces/{namespace}/pods"
    labelled = await client.get(pods, _Pods, query={"labelSelector": f"{LABEL_LEADER}=true"})
    for pod in labelled.items:
        if pod.metadata.name != pod_name:
            await _take_from(client, f"{pods}/{pod.metadata.name}")
    await client.patch(f"{pods}/{pod_name}", _label("true"))
    log.info("this pod has the leader's label", pod=pod_name)


async def _take_from(client: Client, path: str) -> None:
    try:
        await client.patch(path, _label(None))
    except ApiError as error:
        if not error.not_found:  # the old leader's pod is often being deleted at this moment
            raise


def _label(value: str | None) -> bytes:
    return msgspec.json.encode({"metadata": {"labels": {LABEL_LEADER: value}}})
