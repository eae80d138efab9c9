"""A dry run of a pod shows if gangs are native, in a namespace that admits the pod."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from stargate_operator.kube.client import Client
from stargate_operator.kube.pod_groups import find_group_version
from tests.unit.kube.fakeapi import FakeApi, Request, fake_api

GROUPED = {"spec": {"schedulingGroup": {"podGroupName": "probe"}}}
DROPPED: dict[str, Any] = {"spec": {}}


@asynccontextmanager
async def cluster(**pods: Any) -> AsyncIterator[tuple[FakeApi, Client]]:
    """It serves PodGroups, and answers the probe as each namespace is said to; 403 elsewhere."""

    async def handler(request: Request) -> None:
        if request.path == "/apis/scheduling.k8s.io/v1alpha2":
            await request.answer(200, {"resources": [{"name": "podgroups"}]})
        elif request.verb == "POST" and (answer := pods.get(request.path.split("/")[4])):
            assert "dryRun=All" in request.target
            await request.answer(201, answer)
        else:
            await request.status(403 if request.verb == "POST" else 404, "No")

    async with fake_api(handler) as api, Client(api.endpoint(), user_agent="test") as client:
        yield api, client


@pytest.mark.parametrize(
    ("answer", "found"), [(GROUPED, "scheduling.k8s.io/v1alpha2"), (DROPPED, None)]
)
async def test_pod_group_version_must_keep_the_gang_policy(answer: Any, found: str | None) -> None:
    async with cluster(alpha=answer) as (_, client):
        assert await find_group_version(client, namespaces=("alpha", "beta")) == found


async def test_namespace_that_refuses_the_probe_is_skipped() -> None:
    async with cluster(beta=GROUPED) as (api, client):
        assert await find_group_version(client, namespaces=("alpha", "beta"))
    asked = [each.path.split("/")[4] for each in api.requests if each.verb == "POST"]
    assert asked == ["alpha", "beta"]


async def test_gangs_are_not_native_if_all_probes_fail() -> None:
    async with cluster() as (_, client):
        assert await find_group_version(client, namespaces=("alpha",)) is None
