"""Attacks on a running job. docs/security.md cites these tests.

An attacker does not use our client: they send any request, with the rights that they have.
"""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from stargate_lab.cluster.api import Api
from stargate_lab.cluster.control_plane import ControlPlane
from tests.kit.raw_requests import bearer, jobs, refused
from tests.kit.recorder.history import Pod
from tests.kit.story import JobStory, Story, eventually, exists, free
from tests.kit.worker import Worker

WORDS = "$(id);`id`|sh>/tmp/x&&$HOME'\"*?{}[]!#%\\"


def test_shell_characters_in_a_job_stay_literal(story: Story) -> None:
    """They are environment variables, so no shell reads them."""
    job = story.apply(nodes=1, datasetPath=f"s3://bucket/{WORDS}", modelName=WORDS)
    job.wait_phase("Running")

    rank = job.rank(0)

    assert rank.env["STARGATE_DATASET_URI"] == f"s3://bucket/{WORDS}"
    assert rank.env["STARGATE_MODEL_NAME"] == WORDS
    (container,) = rank.raw["spec"]["containers"]
    assert WORDS not in json.dumps({**container, "env": []})


def test_workers_run_under_restricted_pod_security(story: Story) -> None:
    enforced = {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}
    story.api.patch(f"/api/v1/namespaces/{story.namespace}", {"metadata": enforced})
    mount = {"name": "scratch", "mountPath": "/scratch"}
    first = {"name": "fetch", "image": "fetch:1", "volumeMounts": [mount]}
    job = story.apply(
        template={
            "volumes": [{"name": "scratch", "emptyDir": {}}],
            "volumeMounts": [mount],
            "initContainers": [first],
            "terminationGracePeriodSeconds": 2,
        }
    )

    job.wait_phase("Running")


@pytest.fixture
def job(story: Story) -> JobStory:
    """The victim's job, which runs."""
    job = story.apply(nodes=2)
    job.wait_phase("Running")
    return job


@pytest.fixture
def elsewhere(plane: ControlPlane) -> Iterator[str]:
    """A namespace in which Mallory may do everything."""
    name = f"test-{uuid4().hex[:8]}"
    plane.api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
    eventually(lambda: exists(plane.api, account), "its ServiceAccount")
    yield name
    free(plane.api, name)


def forge(api: Api, namespace: str, genuine: Pod, **metadata: Any) -> Pod:
    """Creates a pod with the name, labels and owner of the genuine pod."""
    meta = genuine.raw["metadata"]
    claims = {key: meta[key] for key in ("name", "labels", "ownerReferences")}
    container = {"name": "worker", "image": "mallory:1"}
    pods = f"/api/v1/namespaces/{namespace}/pods"
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    return Pod(api.create(pods, {"metadata": {**claims, **metadata}, "spec": spec}))


def posing_as(genuine: Worker, forged: Pod) -> Worker:
    """A worker that knows where the genuine one reports, but has the token of the forged pod."""
    poser = Worker(genuine.api, Pod({**forged.raw, "spec": genuine.pod.raw["spec"]}))
    assert poser.token
    return poser


def test_forged_pod_in_another_namespace_has_no_effect(
    story: Story, job: JobStory, elsewhere: str
) -> None:
    """Mallory knows the job's UID, and stops the garbage collector with a finalizer."""
    genuine = job.worker()
    forged = forge(story.api, elsewhere, genuine.pod, finalizers=["example.org/stay"])
    path = f"/api/v1/namespaces/{elsewhere}/pods/{forged.name}"
    try:
        story.api.patch(f"{path}/status", {"status": {"phase": "Failed"}})
        poser = posing_as(genuine, forged)
        home = urlsplit(genuine.pod.env["STARGATE_REPORT_URL"]).path
        away = home.replace(f"/{story.namespace}/", f"/{elsewhere}/")
        seen = eventually(lambda: answers(poser, home), "the operator to know the forged pod")
        assert (seen, answers(poser, away)) == (403, 404)

        story.recorder.assert_quiet(2)

        assert genuine.trains_to(7)["attempt"] == 1
        assert job.now.attempt == 1
        assert job.now.phase == "Running"
    finally:
        story.api.patch(path, {"metadata": {"finalizers": None}})


def answers(worker: Worker, path: str) -> int:
    """The status code of a report; 0 while the operator has not seen the pod yet."""
    status = worker.post(b'{"epoch": 99}', path=path).status
    return 0 if status == 503 else status


def test_pod_not_owned_by_job_is_no_worker(story: Story, job: JobStory) -> None:
    """A user who may create pods in a namespace may give them any label."""
    genuine = job.worker()
    forged = forge(story.api, story.namespace, genuine.pod, name="mallory", ownerReferences=None)
    home = urlsplit(genuine.pod.env["STARGATE_REPORT_URL"]).path
    poser = posing_as(genuine, forged)

    seen = eventually(lambda: answers(poser, home), "the operator to know the forged pod")

    assert seen == 404
    assert not job.now.status.get("progress")
    story.api.delete(f"{story.core}/pods/mallory", {"gracePeriodSeconds": 0})


def test_report_token_is_refused_by_the_api_server(
    story: Story, plane: ControlPlane, job: JobStory
) -> None:
    stolen = bearer(plane, job.worker().token)
    for path in (jobs(story.namespace), f"{story.core}/pods", "/apis", "/version"):
        assert refused(stolen, "get", path).status == 401


def test_report_token_is_refused_after_pod_deletion(job: JobStory) -> None:
    worker = job.worker(1)
    worker.report()
    job.delete()
    job.wait_gone()

    answer = worker.post(b'{"step": 1}')

    assert answer.status in (401, 404, 409)
