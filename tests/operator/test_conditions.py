"""A problem in the cluster becomes a condition that quotes the API server.

The job goes on by itself when the problem is solved.
"""

import time
from collections.abc import Iterator

import pytest

from tests.kit.racks import Racks
from tests.kit.story import Story, condition, manifest

RUNTIMES = "/apis/stargate.dev/v1alpha1/stargateruntimes"
PROMPT = 10.0
"""Seconds within which a condition must name the problem."""


@pytest.fixture
def runtimes(story: Story) -> Iterator["Runtimes"]:
    runtimes = Runtimes(story)
    yield runtimes
    runtimes.clear()


class Runtimes:
    def __init__(self, story: Story) -> None:
        self._story = story
        self._names: list[str] = []

    def create(self, name: str, **spec: object) -> str:
        body = {
            "apiVersion": "stargate.dev/v1alpha1",
            "kind": "StargateRuntime",
            "metadata": {"name": name},
            "spec": {
                "image": "trainer:1",
                "checkpoint": {"uriPrefix": "s3://b/checkpoints"},
                **spec,
            },
        }
        self._story.api.create(RUNTIMES, body)
        self._names.append(name)
        return name

    def clear(self) -> None:
        while self._names:
            self._story.api.delete(f"{RUNTIMES}/{self._names.pop()}")


def test_job_with_missing_class_waits_for_it(story: Story, racks: Racks) -> None:
    job = story.apply(nodes=2, acceleratorType="quantum")
    accepted = job.wait_condition("Accepted", "False", "AcceleratorClassNotFound", PROMPT)
    assert "'quantum'" in accepted["message"]
    assert "stargate_silicon_v2" in accepted["message"]
    assert job.now.phase == "Pending"
    story.recorder.assert_quiet(2)

    racks.classify("quantum")
    racks.add("quantum", 2)

    assert condition(job.wait_phase("Running"), "Accepted")["status"] == "True"


def test_job_waits_for_its_missing_service_account(story: Story, runtimes: Runtimes) -> None:
    runtime = runtimes.create("with-account", allowedServiceAccounts=["trainer"])
    job = story.apply(nodes=2, runtime=runtime, template={"serviceAccountName": "trainer"})
    scheduled = job.wait_condition("Scheduled", "False", "PodsRefused", PROMPT)
    assert 'serviceaccount "trainer" not found' in scheduled["message"]

    story.api.create(f"{story.core}/serviceaccounts", {"metadata": {"name": "trainer"}})

    job.wait_phase("Running")


def quota(story: Story, pods: int) -> str:
    """Creates a quota and waits until it is in force."""
    path = f"{story.core}/resourcequotas"
    story.api.create(path, {"metadata": {"name": "quota"}, "spec": {"hard": {"pods": str(pods)}}})
    while not story.api.get(f"{path}/quota").get("status", {}).get("hard"):
        time.sleep(0.05)
    return f"{path}/quota"


def test_exceeded_quota_is_reported_without_hot_loop(story: Story) -> None:
    path = quota(story, pods=1)
    job = story.apply(nodes=3)
    scheduled = job.wait_condition("Scheduled", "False", "PodsRefused", PROMPT)
    assert "exceeded quota: quota" in scheduled["message"]
    assert job.now.phase == "Starting"

    before = len(story.recorder.requests())
    time.sleep(6)
    requests = story.recorder.requests()[before:]
    tries = [each for each in requests if each.verb == "create" and each.resource == "pods"]
    assert 1 <= len(tries) <= 9, f"{len(tries)} tries in 6 s; 3 ranks in 3 rounds need at most 9"
    assert len(requests) <= 20, f"{len(requests)} requests in 6 s"
    assert len([event for event in job.events() if event["reason"] == "PodsRefused"]) == 1

    story.api.patch(path, {"spec": {"hard": {"pods": "3"}}})
    job.wait_phase("Running", seconds=40)


def test_job_waits_while_foreign_pod_holds_name(story: Story) -> None:
    foreign_pod = {
        "metadata": {"name": "job-1-0"},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    story.api.create(f"{story.core}/pods", foreign_pod)
    job = story.apply(nodes=2)
    scheduled = job.wait_condition("Scheduled", "False", "NameTaken", PROMPT)
    assert "there is a pod job-1-0 already" in scheduled["message"]
    assert story.pod("job-1-0")["spec"]["containers"][0]["name"] == "c"

    story.api.delete(f"{story.core}/pods/job-1-0", {"gracePeriodSeconds": 0})

    assert job.wait_phase("Running", seconds=40).attempt == 1


def test_refusal_of_invalid_job_names_the_field(story: Story) -> None:
    with pytest.raises(RuntimeError, match=r"spec\.epochs") as refusal:
        story.api.create(story.jobs, manifest(epochs=0))
    assert "422" in str(refusal.value)


def test_job_waits_while_foreign_service_holds_name(story: Story) -> None:
    service = {"metadata": {"name": "job"}, "spec": {"ports": [{"port": 80}]}}
    story.api.create(f"{story.core}/services", service)
    job = story.apply(nodes=2)
    scheduled = job.wait_condition("Scheduled", "False", "NameTaken", PROMPT)
    assert "there is a Service job already" in scheduled["message"]
    assert not job.pods(), "a pod was created before its Service"

    story.api.delete(f"{story.core}/services/job")

    job.wait_phase("Running", seconds=40)
