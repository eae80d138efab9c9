"""The relist of a new leader, from an API server with pages and without one CRD."""

from typing import Any
from urllib.parse import parse_qs

from stargate_operator.informers.catalog import Catalog
from stargate_operator.informers.jobs import Jobs
from stargate_operator.informers.relist import relist
from stargate_operator.kube.client import Client
from stargate_operator.model.scope import EVERYWHERE, Scope
from stargate_types import StargateJob
from tests.kit.builders import job
from tests.unit.kube.fakeapi import Request, fake_api


def body(of: StargateJob, uid: str, version: int) -> dict[str, Any]:
    found = of.model_dump(by_alias=True, mode="json", exclude_none=True)
    found["metadata"] |= {"uid": uid, "resourceVersion": str(version)}
    return found


def known(of: StargateJob, uid: str, version: int) -> StargateJob:
    return StargateJob.model_validate(body(of, uid, version))


class Server:
    """One job a page, at version 10; ComputeBlock's CRD is absent."""

    def __init__(self, *uids: str) -> None:
        self.uids = uids
        self.paths: list[str] = []

    async def __call__(self, request: Request) -> None:
        kind = request.path.rpartition("/")[2]
        self.paths.append(request.path)
        if kind == "stargatejobs":
            at = int(parse_qs(request.target.partition("?")[2]).get("continue", ["0"])[0])
            await request.answer(200, self.page(at))
        elif kind == "computeblocks":
            await request.status(404, "NotFound")
        else:
            await request.answer(200, {"metadata": {"resourceVersion": "10"}, "items": []})

    def page(self, at: int) -> dict[str, Any]:
        more = str(at + 1) if at + 1 < len(self.uids) else ""
        items = [body(job(), uid, 9) for uid in self.uids[at : at + 1]]
        return {"metadata": {"resourceVersion": "10", "continue": more}, "items": items}


async def read(server: Server, jobs: Jobs, scope: Scope = EVERYWHERE) -> None:
    async with fake_api(server) as api, Client(api.endpoint(), user_agent="t") as client:
        await relist(client, scope, jobs, Catalog(), ())


async def test_relist_finds_all_jobs_and_forgets_deleted_ones() -> None:
    jobs = Jobs()
    jobs.put(known(job(), "went", 5))
    jobs.put(known(job(), "newer", 11))
    jobs.put(known(job(), "changed", 5))
    await read(Server("changed", "unheard-of"), jobs)
    versions = {each.uid: each.metadata.resource_version for each in jobs}
    assert versions == {"newer": "11", "changed": "9", "unheard-of": "9"}


async def test_relist_asks_only_the_namespaces_of_its_scope() -> None:
    server = Server("one")
    await read(server, Jobs(), Scope(("team",)))
    asked = [path for path in server.paths if path.endswith("/stargatejobs")]
    assert asked == ["/apis/stargate.dev/v1alpha1/namespaces/team/stargatejobs"]
