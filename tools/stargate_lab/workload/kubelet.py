"""The parts of a kubelet that kwok does not simulate: projected tokens, and the exits of containers.

It acts with administrator's rights, as a machine would; the operator has only its own rights.
"""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any

import msgspec

from stargate_lab.workload.training import Exit, Json
from stargate_operator.kube.client import Client
from stargate_operator.kube.errors import ApiError
from stargate_operator.model.pod import Pod

AUDIENCE = "stargate.dev"
TOKEN_SECONDS = 12 * 3600
_STRATEGIC_PATCH = "application/strategic-merge-patch+json"
_TRIES = 10
_PAUSE = 0.5


class _Token(msgspec.Struct):
    token: str


class _TokenRequest(msgspec.Struct):
    status: _Token


class Kubelet:
    def __init__(self, client: Client) -> None:
        self._client = client

    async def manifest(self, pod: Pod) -> Json:
        answer: Json = await self._client.get(_path(pod), dict[str, Any])
        return answer

    async def token(self, pod: Pod) -> str:
        """A token as in the pod's projected volume: for the report server, bound to this pod."""
        bound = {"apiVersion": "v1", "kind": "Pod", "name": pod.name, "uid": pod.uid}
        spec = {
            "audiences": [AUDIENCE],
            "boundObjectRef": bound,
            "expirationSeconds": TOKEN_SECONDS,
        }
        account = f"/api/v1/namespaces/{pod.namespace}/serviceaccounts/{pod.service_account}"
        body = json.dumps({"spec": spec}).encode()
        answer = await self._client.create_for(f"{account}/token", body, _TokenRequest)
        return answer.status.token

    async def exits(self, pod: Pod, ending: Exit, image: str) -> None:
        """Reports that the container has ended; a pod that no longer exists is ignored."""
        body = json.dumps(exit_patch(pod, ending, image, datetime.now(UTC))).encode()
        for _ in range(_TRIES):
            try:
                await self._client.patch(f"{_path(pod)}/status", body, _STRATEGIC_PATCH)
                return
            except ApiError as error:
                if error.not_found or error.conflict:
                    return
                if not error.is_transient:
                    raise
            await asyncio.sleep(_PAUSE)


def exit_patch(pod: Pod, ending: Exit, image: str, now: datetime) -> Json:
    """One patch with all fields that a kubelet sets: phase, conditions, the container's end."""
    reason = "PodCompleted" if ending.code == 0 else "PodFailed"
    unready = {"status": "False", "reason": reason, "lastTransitionTime": _time(now)}
    conditions = [{"type": kind, **unready} for kind in ("Ready", "ContainersReady")]
    return {
        "metadata": {"uid": pod.uid},
        "status": {
            "phase": ending.phase,
            "conditions": conditions,
            "containerStatuses": [_container(pod, ending, image, now)],
        },
    }


def _container(pod: Pod, ending: Exit, image: str, now: datetime) -> Json:
    terminated = {"exitCode": ending.code, "reason": ending.reason, "finishedAt": _time(now)}
    if pod.started_at:
        terminated["startedAt"] = _time(datetime.fromtimestamp(pod.started_at, UTC))
    return {
        "name": "worker",
        "image": image,
        "imageID": "",
        "ready": False,
        "started": False,
        "restartCount": 0,
        "state": {"terminated": terminated},
    }


def _path(pod: Pod) -> str:
    return f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}"


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
