"""Every call of the client, as the requests it makes. No I/O: `steps` performs them.

A creation is safe to retry, because the job's name follows from the request's id. Where the name is
taken, the call reads the job and checks whether this same request created it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from stargate_api._client import naming, training_config
from stargate_api._client.api_errors import error_of, object_in
from stargate_api._client.lenient import read_leniently
from stargate_api._client.naming import JobId
from stargate_api._client.retry import RetryPolicy, ask
from stargate_api._client.steps import Answer, Call, Json, Request
from stargate_api.compute import AvailableCompute, matching
from stargate_api.errors import Conflict, InvalidConfig, NotFound, Problem
from stargate_api.job_status import JobStatus
from stargate_feasibility import Feasibility, Quota, check
from stargate_types import (
    API_VERSION,
    GROUP,
    AcceleratorClass,
    ComputeBlock,
    StargateJob,
    StargateRuntime,
)
from stargate_types.base import ObjectMeta

ROOT = f"/apis/{API_VERSION}"
MERGE = "application/merge-patch+json"
REQUEST_LABEL = f"{GROUP}/request"
REQUEST_ID = f"{GROUP}/request-id"
CONFIG_DIGEST = f"{GROUP}/config-digest"
_PAGE = "500"
_LONGEST_REQUEST_ID = 253

Config: TypeAlias = Mapping[str, Any]
"""A training config: the article's keys, or the fields of a StargateJob's spec."""


@dataclass(frozen=True)
class Calls:
    """The calls of one client. `namespace` is that of jobs which a call names without one.

    Each method returns a call for `steps` to run. docs/client.md describes what the calls do.
    """

    namespace: str
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)

    def submit(self, config: Config, namespace: str | None, request_id: str | None) -> Call[str]:
        """Creates the job of a config, or finds the one that `request_id` created. Returns its id."""
        spec = training_config.read(config)
        request_key = (
            naming.new_request_id() if request_id is None else _checked_request_id(request_id)
        )
        target = JobId(self._namespace(namespace), naming.job_name(spec.model_name, request_key))
        creation = _Creation(target, request_key, training_config.as_spec(spec))
        earlier = None if request_id is None else (yield from self._earlier(creation))
        return earlier or (yield from self._create(creation))

    def submit_manifest(self, manifest: Config, namespace: str | None) -> Call[str]:
        """Creates the job of a StargateJob manifest. Returns its id."""
        spec = training_config.read_manifest(manifest)
        meta, request_key = dict(manifest.get("metadata") or {}), naming.new_request_id()
        target_namespace = self._manifest_namespace(meta, namespace)
        name = meta.get("name") or naming.job_name(spec.model_name, request_key)
        target = JobId.parse(f"{target_namespace}/{name}", target_namespace)
        metadata = {key: dict(meta.get(key) or {}) for key in ("labels", "annotations")}
        creation = _Creation(target, request_key, training_config.as_spec(spec), metadata)
        return (yield from self._create(creation))

    def status(self, job_id: str) -> Call[JobStatus]:
        """Reads one job. Raises NotFound."""
        answer = yield from ask(Request("GET", self._path(job_id)), self.retry_policy)
        return JobStatus(self._found(answer, job_id))

    def list_jobs(self, namespace: str | None, all_namespaces: bool) -> Call[list[JobStatus]]:
        """Reads the jobs of one namespace, or of all."""
        scope = "" if all_namespaces else f"/namespaces/{self._namespace(namespace)}"
        manifests = yield from self._list(f"{scope}/stargatejobs")
        return [JobStatus(manifest) for manifest in manifests]

    def suspend(self, job_id: str, wanted: bool) -> Call[JobStatus]:
        """Sets spec.suspend. Returns the job after the change."""
        body = {"spec": {"suspend": wanted}}
        request = Request("PATCH", self._path(job_id), body=body, content=MERGE)
        answer = yield from ask(request, self.retry_policy)
        return JobStatus(self._found(answer, job_id))

    def cancel(self, job_id: str) -> Call[None]:
        """Deletes the job by its UID, so that a retry never deletes a later job of the same name."""
        status = yield from self.status(job_id)
        body = {
            "propagationPolicy": "Background",
            "preconditions": {"uid": status.job.uid},
        }
        request = Request("DELETE", self._path(job_id), body=body)
        answer = yield from ask(request, self.retry_policy)
        if answer.status not in (404, 409):  # deleted already, or another job has the name now
            object_in(answer)

    def compute(
        self, min_nodes: int, max_latency_ms: float | None, accelerator_type: str | None
    ) -> Call[list[AvailableCompute]]:
        """Reads the compute blocks and keeps those that fit; `compute.matching` has the rules."""
        blocks = yield from self._list("/computeblocks")
        return matching(
            blocks,
            min_nodes=min_nodes,
            max_latency_ms=max_latency_ms,
            accelerator_type=accelerator_type,
        )

    def check(self, config: Config, namespace: str | None) -> Call[Feasibility]:
        """Reads all that a researcher may read and answers from it.

        A caller who may not read quotas gets an answer that names this as an assumption.
        """
        job = self._job_to_check(config, namespace)
        blocks = yield from self._list("/computeblocks")
        classes = yield from self._list("/acceleratorclasses")
        runtimes = yield from self._list("/stargateruntimes")
        quotas = yield from self._quotas(job.metadata.namespace)
        feasibility = check(
            job,
            blocks=[read_leniently(ComputeBlock, block) for block in blocks],
            classes=[read_leniently(AcceleratorClass, each) for each in classes],
            runtimes=[read_leniently(StargateRuntime, runtime) for runtime in runtimes],
            quotas=[Quota.of(quota) for quota in quotas or ()],
        )
        if quotas is not None:
            return feasibility
        return feasibility.assuming(
            f"that no quota forbids it: you may not read the quotas of {job.metadata.namespace}"
        )

    def version(self) -> Call[str]:
        """Reads the version of Kubernetes."""
        answer = yield from ask(Request("GET", "/version"), self.retry_policy)
        return str(object_in(answer)["gitVersion"])

    def _job_to_check(self, config: Config, namespace: str | None) -> StargateJob:
        """The job that a config or a StargateJob manifest would create."""
        if training_config.is_manifest(config):
            spec = training_config.read_manifest(config)
            target = self._manifest_namespace(dict(config.get("metadata") or {}), namespace)
        else:
            spec, target = training_config.read(config), self._namespace(namespace)
        return StargateJob(metadata=ObjectMeta(namespace=target), spec=spec)

    def _quotas(self, namespace: str) -> Call[list[Json] | None]:
        """The quotas of a namespace; None where this caller may not read them."""
        path = f"/api/v1/namespaces/{namespace}/resourcequotas"
        answer = yield from ask(Request("GET", path), self.retry_policy)
        if answer.status == 403:
            return None
        return list(object_in(answer)["items"])

    def _earlier(self, creation: "_Creation") -> Call[str | None]:
        """The id of the job that this request created before, if any.

        The label finds it: its name differs where the model's name differs.
        """
        selector = {"labelSelector": f"{REQUEST_LABEL}={naming.short_hash(creation.request_id)}"}
        path = f"/namespaces/{creation.target.namespace}/stargatejobs"
        listed = yield from self._list(path, selector)
        own = (job for job in listed if _annotation(job, REQUEST_ID) == creation.request_id)
        return next((creation.checked_against(job) for job in own), None)

    def _create(self, creation: "_Creation") -> Call[str]:
        path = f"{ROOT}/namespaces/{creation.target.namespace}/stargatejobs"
        strict = {"fieldValidation": "Strict"}
        request = Request("POST", path, query=strict, body=creation.manifest())
        answer = yield from ask(request, self.retry_policy)
        if answer.status == 409:
            return (yield from self._own_or_conflict(creation, answer))
        object_in(answer)
        return str(creation.target)

    def _own_or_conflict(self, creation: "_Creation", refusal: Answer) -> Call[str]:
        """The name is taken: by an earlier try of this request, or by another caller."""
        request = Request("GET", self._path(str(creation.target)))
        answer = yield from ask(request, self.retry_policy)
        if answer.status == 404:
            raise error_of(refusal)
        found = object_in(answer)
        if _annotation(found, REQUEST_ID) == creation.request_id:
            return creation.checked_against(found)
        raise Conflict(
            f"a job {creation.target} exists already: delete it, or choose another name", status=409
        )

    def _list(self, path: str, query: Mapping[str, str] | None = None) -> Call[list[Json]]:
        found: list[Json] = []
        page = {"limit": _PAGE, **(query or {})}
        while True:
            answer = yield from ask(Request("GET", ROOT + path, query=page), self.retry_policy)
            if answer.status == 410:  # the server no longer has the list that the pages belong to
                found, page = [], {"limit": _PAGE, **(query or {})}
                continue
            body = object_in(answer)
            found += body["items"]
            next_page = body["metadata"].get("continue")
            if not next_page:
                kind = {"apiVersion": API_VERSION, "kind": _kind(body)}
                return [{**kind, **item} for item in found]
            page = {**page, "continue": next_page}

    def _found(self, answer: Answer, job_id: str) -> Json:
        if answer.status == 404 and b'"name"' in answer.body:
            target = JobId.parse(job_id, self.namespace)
            raise NotFound(
                f"there is no job {target.name} in namespace {target.namespace}; list_jobs() and"
                " `kubectl get sj` list those that exist"
            )
        return object_in(answer)

    def _path(self, job_id: str) -> str:
        target = JobId.parse(job_id, self.namespace)
        return f"{ROOT}/namespaces/{target.namespace}/stargatejobs/{target.name}"

    def _namespace(self, namespace: str | None) -> str:
        return naming.check_namespace(namespace or self.namespace)

    def _manifest_namespace(self, meta: Config, namespace: str | None) -> str:
        stated = meta.get("namespace")
        if namespace and stated and namespace != stated:
            must = f"is {stated}, but the call says {namespace}: state one of them"
            raise InvalidConfig([Problem("metadata.namespace", must)], "the manifest")
        return self._namespace(namespace or stated)


@dataclass(frozen=True)
class _Creation:
    """The creation of one job. `metadata` holds the labels and annotations of the caller's manifest."""

    target: JobId
    request_id: str
    spec: Json
    metadata: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def manifest(self) -> Json:
        label = {REQUEST_LABEL: naming.short_hash(self.request_id)}
        annotations = {REQUEST_ID: self.request_id, CONFIG_DIGEST: naming.digest(self.spec)}
        meta = {
            "name": self.target.name,
            "namespace": self.target.namespace,
            "labels": {**self.metadata.get("labels", {}), **label},
            "annotations": {**self.metadata.get("annotations", {}), **annotations},
        }
        return {
            "apiVersion": API_VERSION,
            "kind": "StargateJob",
            "metadata": meta,
            "spec": self.spec,
        }

    def checked_against(self, found: Json) -> str:
        """The id of a job that this request created before. Raises Conflict for another config."""
        meta = found["metadata"]
        job_id = f"{meta['namespace']}/{meta['name']}"
        if _annotation(found, CONFIG_DIGEST) == naming.digest(self.spec):
            return job_id
        raise Conflict(
            f"request id {self.request_id!r} was used for {job_id} with another config: a changed"
            " config needs a new request id",
            status=409,
        )


def _checked_request_id(request_id: str) -> str:
    if not isinstance(request_id, str) or not 0 < len(request_id) <= _LONGEST_REQUEST_ID:
        must = f"it must be a text of 1 to {_LONGEST_REQUEST_ID} characters"
        raise InvalidConfig([Problem("", must)], "the request id")
    return request_id


def _annotation(found: Json, name: str) -> str | None:
    value: str | None = (found["metadata"].get("annotations") or {}).get(name)
    return value


def _kind(listed: Json) -> str:
    return str(listed["kind"]).removesuffix("List")
