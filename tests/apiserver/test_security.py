"""Attacks by requests to the API server. docs/security.md cites these tests.

An attacker does not use our client: they send any request, with the rights that they have.
"""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from stargate_lab.cluster.api import Api, ApiError
from stargate_lab.cluster.control_plane import ControlPlane
from tests.kit.people import People
from tests.kit.raw_requests import GROUP, bearer, jobs, refused
from tests.kit.story import eventually, manifest

REVOKED_WITHIN = 30.0
"""Seconds. The API server caches the check of a key for 10 s."""


@pytest.fixture
def mallory(plane: ControlPlane, people: People) -> Api:
    """A researcher, who may only write jobs in one namespace."""
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
def test_job_template_allows_only_listed_fields(mallory: Api, namespace: str, what: str) -> None:
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
    if name == "volumes":  # a volume without its source is not valid
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
def test_researcher_may_write_jobs_and_nothing_else(
    mallory: Api, namespace: str, verb: str, path: str
) -> None:
    body = None if verb == "get" else {"metadata": {"name": "x"}, "spec": {}}
    assert refused(mallory, verb, path.format(namespace), body).status == 403


def test_researcher_cannot_write_a_job_s_status(mallory: Api, namespace: str) -> None:
    claim = {"status": {"phase": "Succeeded", "attempt": 99}}
    job = mallory.create(jobs(namespace), {**manifest(suspend=True), **claim})
    assert job.get("status", {}).get("attempt") != 99

    path = f"{jobs(namespace)}/job"
    for verb in ("replace", "patch"):
        assert refused(mallory, verb, f"{path}/status", {**job, **claim}).status == 403
    mallory.patch(path, claim)

    assert mallory.get(path).get("status", {}).get("attempt") != 99


PAYLOADS = {
    "aliases of aliases": ("application/yaml", 400),
    "a deep nest": ("application/json", 400),
    "four megabytes": ("application/json", 413),
    "too many variables": ("application/json", 422),
}


def payload(kind: str) -> bytes:
    if kind == "aliases of aliases":
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
        return "\n".join(lines).encode()
    if kind == "a deep nest":
        return b'{"spec":' * 100_000 + b"1" + b"}" * 100_000
    if kind == "four megabytes":
        return json.dumps(manifest(modelName="x" * 4_000_000)).encode()
    variables = [{"name": f"N{n}", "value": "x" * 100} for n in range(5_000)]
    return json.dumps(manifest(template={"env": variables})).encode()


@pytest.mark.parametrize("kind", PAYLOADS)
def test_malicious_payload_is_refused_at_admission(mallory: Api, namespace: str, kind: str) -> None:
    content, status = PAYLOADS[kind]
    credentials = mallory.credentials
    address = urlsplit(credentials.server).netloc
    connection = http.client.HTTPSConnection(address, timeout=30, context=credentials.ssl)
    headers = {**credentials.headers, "Content-Type": content}
    connection.request("POST", jobs(namespace), payload(kind), headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()

    assert answer.status == status, body[:500]
    assert len(body) < 10_000
    assert mallory.get(jobs(namespace))["items"] == []


def test_key_of_a_deleted_account_is_refused(
    plane: ControlPlane, mallory: Api, namespace: str
) -> None:
    assert mallory.get(jobs(namespace))["items"] == []

    plane.api.delete(f"/api/v1/namespaces/{namespace}/serviceaccounts/researcher")

    def is_refused() -> bool:
        try:
            mallory.get(jobs(namespace))
        except ApiError as error:
            return error.status == 401
        return False

    eventually(is_refused, "the key refused", REVOKED_WITHIN)
