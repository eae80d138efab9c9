"""The Python client with an operator: it follows, suspends, resumes and cancels jobs."""

from typing import Any

import pytest

from stargate_api import Client, NotFound
from tests.kit.people import Person
from tests.kit.story import Story
from tests.kit.training_config import config


@pytest.fixture
def client(researcher: Person) -> Any:
    with researcher.client() as client:
        yield client


def test_client_follows_job_to_its_end(story: Story, client: Client) -> None:
    job = story.apply("job")
    statuses = client.watch("job", timeout=60)
    seen = [next(statuses).state]
    assert client.wait("job", state="Running", timeout=30).workers.running == 2

    job.worker().saves(20)
    for status in statuses:
        seen.append(status.state)
        if status.get("checkpoint_epoch") == 20:
            assert status["progress"] == 20
            job.finish()
    assert seen[-1] == "Succeeded"
    assert client.wait("job").finished


def test_client_suspends_and_resumes_job(story: Story, client: Client) -> None:
    story.apply("job")
    client.wait("job", state="Running", timeout=30)
    client.suspend("job")
    assert client.wait("job", state="Suspended", timeout=30)["state"] == "Suspended"
    client.resume("job")
    assert client.wait("job", state="Running", timeout=30).attempt == 2


def test_watch_of_deleted_job_raises_not_found(story: Story, client: Client) -> None:
    job = story.apply("job")
    statuses = client.watch("job", timeout=60)
    next(statuses)
    job.delete()
    with pytest.raises(NotFound, match="was deleted while it was watched"):
        list(statuses)


@pytest.mark.usefixtures("story")
async def test_async_client_runs_and_cancels_job(researcher: Person) -> None:
    async with researcher.async_client() as client:
        job_id = await client.submit_training_job(config())
        running = await client.wait(job_id, state="Running", timeout=30)
        assert running["nodes_running"] == 2
        await client.cancel(job_id)
        with pytest.raises(NotFound):
            async for _ in client.watch(job_id, timeout=30):
                pass
