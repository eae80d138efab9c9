"""Names of jobs. The same model name and request id always give the same job name.

See docs/decisions/0025-names-follow-from-request-ids.md.
"""

import base64
import hashlib
import json
import re
import uuid
from dataclasses import dataclass

from stargate_api._client.steps import Json
from stargate_api.errors import InvalidConfig, Problem

LONGEST = 50
"""Characters in the longest name of a job, which becomes a Service, a hostname and a label."""
_HASH_LENGTH = 8
_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class JobId:
    """The id of a job; its text is `namespace/name`."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    @classmethod
    def parse(cls, text: str, default_namespace: str) -> "JobId":
        """Reads `namespace/name`, or a name in the default namespace. Raises InvalidConfig."""
        namespace, slash, name = str(text).rpartition("/")
        found = cls(namespace if slash else default_namespace, name)
        if not _NAME.fullmatch(found.name) or not _NAMESPACE.fullmatch(found.namespace):
            must = f"it must be namespace/name, such as default/my-job; it is {text!r}"
            raise InvalidConfig([Problem("", must)], "the job id")
        return found


def check_namespace(namespace: str) -> str:
    """The namespace itself. Raises InvalidConfig where it is not a legal name."""
    if not _NAMESPACE.fullmatch(namespace):
        must = "it must be lower-case letters, digits and '-', at most 63"
        raise InvalidConfig([Problem("", f"{must}; it is {namespace!r}")], "the namespace")
    return namespace


def new_request_id() -> str:
    """A random request id, for a call that states none."""
    return str(uuid.uuid4())


def job_name(model_name: str, request_id: str) -> str:
    """A legal name: `Stargate-Materia-v3` and an id become `stargate-materia-v3-k3q7x2ma`."""
    words = re.sub("[^a-z0-9]+", "-", model_name.lower()).strip("-")
    # See docs/decisions/0025-names-follow-from-request-ids.md.
    if not words[:1].isalpha():
        words = f"job-{words}".strip("-")
    return f"{words[: LONGEST - _HASH_LENGTH - 1].strip('-')}-{short_hash(request_id)}"


def short_hash(request_id: str) -> str:
    """A hash of the request id, short enough for a name and legal as a label's value."""
    digest = hashlib.sha256(request_id.encode()).digest()
    return base64.b32encode(digest).decode().lower()[:_HASH_LENGTH]


def digest(spec: Json) -> str:
    """SHA-256 of a spec in hexadecimal; the order of its keys does not matter."""
    canonical = json.dumps(spec, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
