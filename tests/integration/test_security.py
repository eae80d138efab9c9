"""What somebody of bad intent may try, on a real API server: docs/security.md names these tests.

Nobody here uses a client of ours: they send what they like, with the rights that they have.
"""

import http.client
import json
import ssl
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from stargate_lab.cluster.api import Api, ApiError, Credentials
from stargate_lab.cluster.control_plane import ControlPlane
from tests.integration.people import People
from tests.integration.story import JobStory, Story, eventually, exists, free, manifest
from tests.integration.worker import Worker
from tests.recorder.history import Json, Pod

GROUP = "/apis/stargate.dev/v1alpha1"
REVOKED_WITHIN = 30.0
"""The API server believes a key for 10 s after it last looked."""


def jobs(namespace: str) -> str:
    return f"{GROUP}/namespaces/{namespace}/stargatejobs"


def bearer(plane: ControlPlane, token: str) -> Api:
    trust = ssl.create_default_context(cafile=str(plane.ca_file))
    return Api(Credentials(plane.api.credentials.server, trust, token))


def refused(api: Api, verb: str, path: str, body: Json | None = None) -> ApiError:
    with pytest.raises(ApiError) as refusal:
        getattr(api, verb)(path, *([] if body is None else [body]))
    return refusal.value


@pytest.fixture
def mallory(plane: ControlPlane, people: People) -> Api:
    """A researcher: may write jobs in one namespace, and nothing else."""
    return bearer(plane, people.researcher().key)


NOT_GIVEN: dict[str, tuple[str, Any]] = {
    "a path of the node": ("volumes[0].hostPath", {"hostPath": {"path": "/"}}),
    "an export of a server": ("volumes[0].nfs", {"nfs": {"server": "s", "path": "/"}}),
    "a token of another audience": ("volumes[0].projected", {"projected": {"sources": []}}),
    "privileges": ("securityContext", {"privileged": True}),
    "the node's network": ("hostNetwork", True),
    "the node's processes": ("hostPID", True),
    "a node": ("nodeName", "node-0"),
    "nodes": ("nodeSelector", {"a": "b"}),
    "taints": ("tolerations", [{"operator": "Exists"}]),
    "the ServiceAccount's token": ("automountServiceAccountToken", True),
    "a container": ("containers", [{"name": "more", "image": "i"}]),
    "a container runtime": ("runtimeClassName", "other"),
    "a scheduler": ("schedulerName", "other"),
    "its network's policy": ("hostAliases", []),
}


@pytest.mark.parametrize("what", NOT_GIVEN)
def test_a_template_gives_nothing_that_is_not_on_its_list(
    mallory: Api, namespace: str, what: str
) -> None:
    field, value = NOT_GIVEN[what]
    name = field.partition("[")[0]
    template = {name: [{"name": "v", **value}] if name == "volumes" else value}

    strictly = refused(
        mallory,
        "create",
        f"{jobs(namespace)}?dryRun=All&fieldValidation=Strict",
        manifest(template=template),
    )

    assert f'unknown field "spec.template.{field}"' in str(strictly)
    loosely = f"{jobs(namespace)}?dryRun=All&fieldValidation=Ignore"
    if name == "volumes":  # without its source it is no volume
        assert refused(mallory, "create", loosely, manifest(template=template)).status == 422
    else:
        taken = mallory.create(loosely, manifest(template=template))
        assert name not in taken["spec"]["template"]


OTHERS = [
    ("create", "/api/v1/namespaces/{}/pods"),
    ("get", "/api/v1/namespaces/{}/secrets"),
    ("create", "/api/v1/namespaces/{}/pods/job-1-0/exec"),
    ("create", "/api/v1/namespaces/{}/serviceaccounts/default/token"),
    ("get", "/api/v1/nodes"),
    ("create", f"{GROUP}/stargateruntimes"),
    ("create", f"{GROUP}/acceleratorclasses"),
    ("create", f"{GROUP}/computeblocks"),
    ("replace", f"{GROUP}/computeblocks/cluster/status"),
    ("get", "/api/v1/namespaces/stargate-system/pods"),
    ("get", "/apis/coordination.k8s.io/v1/namespaces/stargate-system/leases"),
]


@pytest.mark.parametrize(("verb", "path"), OTHERS)
def test_a_researcher_may_write_jobs_and_nothing_else(
    mallory: Api, namespace: str, verb: str, path: str
) -> None:
    body = None if verb == "get" else {"metadata": {"name": "x"}, "spec": {}}
    assert refused(mallory, verb, path.format(namespace), body).status == 403


def test_a_researcher_cannot_make_a_job_lie_about_itself(mallory: Api, namespace: str) -> None:
    claim = {"status": {"phase": "Succeeded", "attempt": 99}}
    job = mallory.create(jobs(namespace), {**manifest(suspend=True), **claim})
    assert job.get("status", {}).get("attempt") != 99

    path = f"{jobs(namespace)}/job"
    for verb in ("replace", "patch"):
        assert refused(mallory, verb, f"{path}/status", {**job, **claim}).status == 403
    mallory.patch(path, claim)

    assert mallory.get(path).get("status", {}).get("attempt") != 99


BOMBS = {
    "aliases of aliases": ("application/yaml", 400),
    "a deep nest": ("application/json", 400),
    "more than anybody needs": ("application/json", 413),
    "too many words": ("application/json", 422),
}


def bomb(kind: str) -> bytes:
    if kind == "aliases of aliases":
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
        return "\n".join(lines).encode()
    if kind == "a deep nest":
        return b'{"spec":' * 100_000 + b"1" + b"}" * 100_000
    if kind == "more than anybody needs":
        return json.dumps(manifest(modelName="x" * 4_000_000)).encode()
    words = [{"name": f"N{n}", "value": "x" * 100} for n in range(5_000)]
    return json.dumps(manifest(template={"env": words})).encode()


@pytest.mark.parametrize("kind", BOMBS)
def test_a_bomb_is_refused_at_admission(mallory: Api, namespace: str, kind: str) -> None:
    content, status = BOMBS[kind]
    credentials = mallory.credentials
    address = urlsplit(credentials.server).netloc
    connection = http.client.HTTPSConnection(address, timeout=30, context=credentials.ssl)
    headers = {**credentials.headers, "Content-Type": content}
    connection.request("POST", jobs(namespace), bomb(kind), headers)
    answer = connection.getresponse()
    said = answer.read()
    connection.close()

    assert answer.status == status, said[:500]
    assert len(said) < 10_000
    assert mallory.get(jobs(namespace))["items"] == []


def test_a_key_is_worth_nothing_once_its_account_is_gone(
    plane: ControlPlane, mallory: Api, namespace: str
) -> None:
    assert mallory.get(jobs(namespace))["items"] == []

    plane.api.delete(f"/api/v1/namespaces/{namespace}/serviceaccounts/researcher")

    def is_nobody_s() -> bool:
        try:
            mallory.get(jobs(namespace))
        except ApiError as error:
            return error.status == 401
        return False

    eventually(is_nobody_s, "the key refused", REVOKED_WITHIN)


WORDS = "$(id);`id`|sh>/tmp/x&&$HOME'\"*?{}[]!#%\\"


def test_words_of_a_job_reach_its_workers_as_words(story: Story) -> None:
    """No shell reads them on the way: they are variables of the environment."""
    job = story.apply(nodes=1, datasetPath=f"s3://bucket/{WORDS}", modelName=WORDS)
    job.wait_phase("Running")

    rank = job.rank(0)

    assert rank.env["STARGATE_DATASET_URI"] == f"s3://bucket/{WORDS}"
    assert rank.env["STARGATE_MODEL_NAME"] == WORDS
    (container,) = rank.raw["spec"]["containers"]
    assert WORDS not in json.dumps({**container, "env": []})


def test_workers_run_where_restricted_pod_security_is_enforced(story: Story) -> None:
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
    """The victim's: it runs."""
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


def forge(api: Api, namespace: str, of: Pod, **metadata: Any) -> Pod:
    """A pod that says of itself what the genuine one says."""
    meta = of.raw["metadata"]
    claims = {key: meta[key] for key in ("name", "labels", "ownerReferences")}
    container = {"name": "worker", "image": "mallory:1"}
    pods = f"/api/v1/namespaces/{namespace}/pods"
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    return Pod(api.create(pods, {"metadata": {**claims, **metadata}, "spec": spec}))


def posing_as(genuine: Worker, forged: Pod) -> Worker:
    """It knows where to report, and has the token of a pod of its own."""
    poser = Worker(genuine.api, Pod({**forged.raw, "spec": genuine.pod.raw["spec"]}))
    assert poser.token
    return poser


def test_a_pod_in_another_namespace_is_nobody_s_rank(
    story: Story, job: JobStory, elsewhere: str
) -> None:
    """Mallory has learnt the job's UID, and keeps the garbage collector away with a finalizer."""
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
    """0 while the operator has not seen the pod yet."""
    status = worker.post(b'{"epoch": 99}', path=path).status
    return 0 if status == 503 else status


def test_a_pod_that_the_job_does_not_own_is_none_of_its_workers(
    story: Story, job: JobStory
) -> None:
    """Who may create pods in a namespace may label them as they like."""
    genuine = job.worker()
    forged = forge(story.api, story.namespace, genuine.pod, name="mallory", ownerReferences=None)
    home = urlsplit(genuine.pod.env["STARGATE_REPORT_URL"]).path
    poser = posing_as(genuine, forged)

    seen = eventually(lambda: answers(poser, home), "the operator to know the forged pod")

    assert seen == 404
    assert not job.now.status.get("progress")
    story.api.delete(f"{story.core}/pods/mallory", {"gracePeriodSeconds": 0})


def test_a_report_s_token_opens_nothing_else(
    story: Story, plane: ControlPlane, job: JobStory
) -> None:
    stolen = bearer(plane, job.worker().token)
    for path in (jobs(story.namespace), f"{story.core}/pods", "/apis", "/version"):
        assert refused(stolen, "get", path).status == 401


def test_a_report_s_token_dies_with_its_pod(job: JobStory) -> None:
    worker = job.worker(1)
    worker.report()
    job.delete()
    job.wait_gone()

    answer = worker.post(b'{"step": 1}')

    assert answer.status in (401, 404, 409)
