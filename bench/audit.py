"""Counts writes by writer and resource, from the audit log of the API server.

The log slows the API server down, so a round that counts is never timed.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

POLICY: Final = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted, Panic]
rules:
- level: Metadata
  verbs: [create, update, patch, delete, deletecollection]
- level: None
"""


class _Reference(msgspec.Struct):
    resource: str = ""
    subresource: str = ""


class _Answer(msgspec.Struct):
    code: int = 0


class _Event(msgspec.Struct, rename="camel"):
    verb: str
    user_agent: str = ""
    object_ref: _Reference | None = None
    response_status: _Answer | None = None

    @property
    def accepted(self) -> bool:
        return self.response_status is not None and self.response_status.code < 400


_decode = msgspec.json.Decoder(_Event).decode


def flags(policy: Path, log: Path) -> tuple[str, ...]:
    policy.write_text(POLICY)
    return (
        f"--audit-policy-file={policy}",
        f"--audit-log-path={log}",
        "--audit-log-maxsize=10000",
    )


def count(lines: Iterable[bytes], own: Iterable[str] = ()) -> dict[str, int]:
    """Accepted writes by "agent verb resource", without the agents in `own`."""
    hidden = frozenset(own)
    found: Counter[str] = Counter()
    for line in lines:
        event = _decode(line)
        writer = agent(event.user_agent)
        if event.accepted and event.object_ref and writer not in hidden:
            found[f"{writer} {event.verb} {_resource(event.object_ref)}"] += 1
    return dict(found)


def agent(user_agent: str) -> str:
    """The program that sent a request; for the controller-manager, its controller."""
    program, _, rest = user_agent.partition("/")
    if program != "kube-controller-manager":
        return program or "unknown"
    return rest.rpartition("/")[2].rpartition(":")[2]


def _resource(reference: _Reference) -> str:
    return "/".join(part for part in (reference.resource, reference.subresource) if part)
