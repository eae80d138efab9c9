"""Every call of the client as the requests it consists of. No I/O: `exchange` performs the steps.

A retried creation is safe, because its name follows from the request's id alone: whoever finds that
name taken looks whether it was this very request that took it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from stargate_api._client import naming, training_config
from stargate_api._client.api_errors import error_of, object_in
from stargate_api._client.naming import JobId
from stargate_api._client.retry import RetryPolicy, ask
from stargate_api._client.steps import Answer, Call, Json, Request
from stargate_api.compute import AvailableCompute, that_fit
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
"""The training config: the article's keys, or those of a StargateJob's spec."""


@dataclass(frozen=True)
class Calls:
    """`namespace` is that of jobs named without one."""

    namespace: str
    retry_policy: RetryPolicy = field(default_factory=RetryPolicy)

    def submit(self, config: Config, namespace: str | None, request_id: str | None) -> Call[str]:
        spec = training_config.read(config)
        known_as = naming.new_request_id() if request_id is None else _checked(request_id)
        target = JobId(self._namespace(namespace), naming.job_name(spec.model_name, known_as))
        asked = _Asked(target, known_as, training_config.as_spec(spec))
        earlier = None if request_id is None else (yield from self._earlier(asked))
        return earlier or (yield from self._create(asked))

    def submit_manifest(self, manifest: Config, namespace: str | None) -> Call[str]:
        spec = training_config.read_manifest(manifest)
        meta, known_as = dict(manifest.get("metadata") or {}), naming.new_request_id()
        within = self._manifest_namespace(meta, namespace)
        name = meta.get("name") or naming.job_name(spec.model_name, known_as)
        target = JobId.parse(f"{within}/{name}", within)
        asked = _Asked(target, known_as, training_config.as_spec(spec), _carried(meta))
        return (yield from self._create(asked))

    def status(self, job_id: str) -> Call[JobStatus]:
        answer = yield from ask(Request("GET", self._path(job_id)), self.retry_policy)
        return JobStatus(self._found(answer, job_id))

    def list_jobs(self, namespace: str | None, all_namespaces: bool) -> Call[list[JobStatus]]:
        within = "" if all_namespaces else f"/namespaces/{self._namespace(namespace)}"
        return [JobStatus(each) for each in (yield from self._list(f"{within}/stargatejobs"))]

    def suspend(self, job_id: str, wanted: bool) -> Call[JobStatus]:
        body = {"spec": {"suspend": wanted}}
        request = Request("PATCH", self._path(job_id), body=body, content=MERGE)
        answer = yield from ask(request, self.retry_policy)
        return JobStatus(self._found(answer, job_id))

    def cancel(self, job_id: str) -> Call[None]:
        """By its UID: a retry never deletes a later job of the same name."""
        found = yield from self.status(job_id)
        body = {
            "propagationPolicy": "Background",
            "preconditions": {"uid": found.job.uid},
        }
        request = Request("DELETE", self._path(job_id), body=body)
        answer = yield from ask(request, self.retry_policy)
        if answer.status not in (404, 409):  # gone, or another job by now
            object_in(answer)

    def compute(
        self, min_nodes: int, max_latency_ms: float | None, accelerator_type: str | None
    ) -> Call[list[AvailableCompute]]:
        blocks = yield from self._list("/computeblocks")
        return that_fit(
            blocks,
            min_nodes=min_nodes,
            max_latency_ms=max_latency_ms,
            accelerator_type=accelerator_type,
        )

    def check(self, config: Config, namespace: str | None) -> Call[Feasibility]:
        """By what a researcher may read. One who may not read quotas is told so."""
        job = self._wanted(config, namespace)
        blocks = yield from self._list("/computeblocks")
        classes = yield from self._list("/acceleratorclasses")
        runtimes = yield from self._list("/stargateruntimes")
        quotas = yield from self._quotas(job.metadata.namespace)
        found = check(
            job,
            blocks=[ComputeBlock.model_validate(each) for each in blocks],
            classes=[AcceleratorClass.model_validate(each) for each in classes],
            runtimes=[StargateRuntime.model_validate(each) for each in runtimes],
            quotas=[Quota.of(each) for each in quotas or ()],
        )
        unread = (
            f"that no quota stands against it: you may not read those of {job.metadata.namespace}"
        )
        return found if quotas is not None else found.assuming(unread)

    def version(self) -> Call[str]:
        answer = yield from ask(Request("GET", "/version"), self.retry_policy)
        return str(object_in(answer)["gitVersion"])

    def _wanted(self, config: Config, namespace: str | None) -> StargateJob:
        """As it would be submitted: a config, or a StargateJob's manifest."""
        if training_config.is_manifest(config):
            spec = training_config.read_manifest(config)
            within = self._manifest_namespace(dict(config.get("metadata") or {}), namespace)
        else:
            spec, within = training_config.read(config), self._namespace(namespace)
        return StargateJob(metadata=ObjectMeta(namespace=within), spec=spec)

    def _quotas(self, namespace: str) -> Call[list[Json] | None]:
        """None: not for this caller to read."""
        path = f"/api/v1/namespaces/{namespace}/resourcequotas"
        answer = yield from ask(Request("GET", path), self.retry_policy)
        if answer.status == 403:
            return None
        return list(object_in(answer)["items"])

    def _earlier(self, asked: "_Asked") -> Call[str | None]:
        """The job of this request; under another name, if its model's name was another."""
        selector = {"labelSelector": f"{REQUEST_LABEL}={naming.mark(asked.request_id)}"}
        path = f"/namespaces/{asked.target.namespace}/stargatejobs"
        listed = yield from self._list(path, selector)
        found = (each for each in listed if _annotation(each, REQUEST_ID) == asked.request_id)
        return next((asked.checked_against(each) for each in found), None)

    def _create(self, asked: "_Asked") -> Call[str]:
        path = f"{ROOT}/namespaces/{asked.target.namespace}/stargatejobs"
        strict = {"fieldValidation": "Strict"}
        request = Request("POST", path, query=strict, body=asked.manifest())
        answer = yield from ask(request, self.retry_policy)
        if answer.status == 409:
            return (yield from self._recognise(asked, answer))
        object_in(answer)
        return str(asked.target)

    def _recognise(self, asked: "_Asked", refusal: Answer) -> Call[str]:
        """The name is taken: by an earlier try of this request, or by somebody else."""
        where = Request("GET", self._path(str(asked.target)))
        answer = yield from ask(where, self.retry_policy)
        if answer.status == 404:
            raise error_of(refusal)
        found = object_in(answer)
        if _annotation(found, REQUEST_ID) == asked.request_id:
            return asked.checked_against(found)
        raise Conflict(
            f"a job {asked.target} exists already: delete it, or choose another name", status=409
        )

    def _list(self, path: str, query: Mapping[str, str] | None = None) -> Call[list[Json]]:
        found: list[Json] = []
        page = {"limit": _PAGE, **(query or {})}
        while True:
            answer = yield from ask(Request("GET", ROOT + path, query=page), self.retry_policy)
            if answer.status == 410:  # the pages are of a list that the server has forgotten
                found, page = [], {"limit": _PAGE, **(query or {})}
                continue
            body = object_in(answer)
            found += body["items"]
            following = body["metadata"].get("continue")
            if not following:
                return [{"apiVersion": API_VERSION, "kind": _kind(body), **each} for each in found]
            page = {**page, "continue": following}

    def _found(self, answer: Answer, job_id: str) -> Json:
        if answer.status == 404 and b'"name"' in answer.body:
            target = JobId.parse(job_id, self.namespace)
            raise NotFound(
                f"there is no job {target.name} in namespace {target.namespace}; list_jobs() and"
                " `kubectl get sj` tell those that exist"
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
class _Asked:
    """A creation, and what it is known by. `carried` is of the caller's own metadata."""

    target: JobId
    request_id: str
    spec: Json
    carried: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def manifest(self) -> Json:
        label = {REQUEST_LABEL: naming.mark(self.request_id)}
        marks = {REQUEST_ID: self.request_id, CONFIG_DIGEST: naming.digest(self.spec)}
        meta = {
            "name": self.target.name,
            "namespace": self.target.namespace,
            "labels": {**self.carried.get("labels", {}), **label},
            "annotations": {**self.carried.get("annotations", {}), **marks},
        }
        return {
            "apiVersion": API_VERSION,
            "kind": "StargateJob",
            "metadata": meta,
            "spec": self.spec,
        }

    def checked_against(self, found: Json) -> str:
        """The id of a job that this request made before; another config is another request."""
        meta = found["metadata"]
        job_id = f"{meta['namespace']}/{meta['name']}"
        if _annotation(found, CONFIG_DIGEST) == naming.digest(self.spec):
            return job_id
        raise Conflict(
            f"request id {self.request_id!r} was used for {job_id} with another config: a changed"
            " config needs an id of its own",
            status=409,
        )


def _carried(meta: Config) -> dict[str, dict[str, str]]:
    return {key: dict(meta.get(key) or {}) for key in ("labels", "annotations")}


def _checked(request_id: str) -> str:
    if not isinstance(request_id, str) or not 0 < len(request_id) <= _LONGEST_REQUEST_ID:
        must = f"it must be a text of 1 to {_LONGEST_REQUEST_ID} characters"
        raise InvalidConfig([Problem("", must)], "the request id")
    return request_id


def _annotation(found: Json, name: str) -> str | None:
    value: str | None = (found["metadata"].get("annotations") or {}).get(name)
    return value


def _kind(listed: Json) -> str:
    return str(listed["kind"]).removesuffix("List")
