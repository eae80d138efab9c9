"""Names of jobs: from a model's name and a request's id, always the same for the same two."""

import base64
import hashlib
import json
import re
import uuid
from dataclasses import dataclass

from stargate_api.errors import InvalidConfig, Problem
from stargate_api.exchange import Json

LONGEST = 50
"""The longest name of a job: it becomes a Service, a hostname and a label."""
_MARK = 8
_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class JobId:
    """`namespace/name`."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @classmethod
    def parse(cls, text: str, default_namespace: str) -> "JobId":
        """A bare name is one of the client's namespace."""
        namespace, slash, name = str(text).rpartition("/")
        found = cls(namespace if slash else default_namespace, name)
        if not _NAME.fullmatch(found.name) or not _NAMESPACE.fullmatch(found.namespace):
            must = f"it must be namespace/name, such as default/my-job; it is {text!r}"
            raise InvalidConfig([Problem("", must)], "the job id")
        return found


def check_namespace(namespace: str) -> str:
    if not _NAMESPACE.fullmatch(namespace):
        must = "it must be lower-case letters, digits and '-', at most 63"
        raise InvalidConfig([Problem("", f"{must}; it is {namespace!r}")], "the namespace")
    return namespace


def new_request_id() -> str:
    return str(uuid.uuid4())


def job_name(model_name: str, request_id: str) -> str:
    """`Stargate-Materia-v3` and an id: `stargate-materia-v3-k3q7x2ma`."""
    words = re.sub("[^a-z0-9]+", "-", model_name.lower()).strip("-")
    # See docs/decisions/0025-names-follow-from-request-ids.md.
    if not words[:1].isalpha():
        words = f"job-{words}".strip("-")
    return f"{words[: LONGEST - _MARK - 1].strip('-')}-{mark(request_id)}"


def mark(request_id: str) -> str:
    """Short enough for a name, and legal as a label's value."""
    digest = hashlib.sha256(request_id.encode()).digest()
    return base64.b32encode(digest).decode().lower()[:_MARK]


def digest(spec: Json) -> str:
    """Equal for equal configs, however they were written."""
    canonical = json.dumps(spec, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
