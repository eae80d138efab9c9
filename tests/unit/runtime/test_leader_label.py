"""The leader's label is removed from all other pods first, also if such a pod is gone."""

from typing import Any

from stargate_operator.kube.client import Client
from stargate_operator.runtime.leader_label import take_label
from tests.unit.kube.fakeapi import Request, fake_api, meta


class Pods:
    """The operator's; of those `going` nothing is left when they are to be patched."""

    def __init__(self, *labelled: str, going: str = "") -> None:
        self.leaders = list(labelled)
        self.going = going

    async def __call__(self, request: Request) -> None:
        name = request.path.rpartition("/")[2]
        if request.verb == "GET":
            await request.answer(200, {"items": [meta(each) for each in self.leaders]})
        elif name == self.going:
            await request.status(404, "NotFound")
        else:
            self.patch(name, request.json()["metadata"]["labels"])
            await request.answer(200, meta(name))

    def patch(self, name: str, labels: dict[str, Any]) -> None:
        assert labels.keys() == {"stargate.dev/leader"}
        if labels["stargate.dev/leader"]:
            self.leaders.append(name)
        else:
            self.leaders.remove(name)


async def take(pods: Pods) -> None:
    async with fake_api(pods) as api, Client(api.endpoint(), user_agent="t") as client:
        await take_label(client, namespace="stargate-system", pod_name="new")


async def test_only_one_pod_has_the_leader_label() -> None:
    pods = Pods("old", "older")
    await take(pods)
    assert pods.leaders == ["new"]


async def test_pod_deleted_meanwhile_does_not_stop_the_leader() -> None:
    pods = Pods("old", "older", going="old")
    await take(pods)
    assert pods.leaders == ["old", "new"]
