"""Which of the namespaces that it was given the operator may watch: that is asked before it watches any.

A namespace that is deleted takes the operator's Role with it. What is left of the others must not wait
for it, and must not end with it again and again.

See docs/decisions/0033-a-refused-namespace-is-left-out.md.
"""

import asyncio

import structlog

from stargate_operator.kube.client import Client
from stargate_operator.kube.errors import ApiError
from stargate_operator.model.scope import Scope
from stargate_operator.telemetry import metrics
from stargate_types import API_VERSION

log = structlog.get_logger(__name__)

ASK_AGAIN_SECONDS = 15.0
_PATIENCE = 10.0


class NoNamespaceAccessError(Exception):
    """No namespace of the scope may be watched."""


class NamespaceAccessChanged(Exception):  # noqa: N818 - a state
    """Another set of namespaces may be watched now: the process is to start anew."""


async def refused_of(client: Client, scope: Scope) -> tuple[str, ...]:
    """The namespaces that refuse to be watched; an error, if all do."""
    given = scope.namespaces or ()
    answers = await asyncio.gather(*(_refusal(client, each) for each in given))
    refusals = {each: why for each, why in zip(given, answers, strict=True) if why}
    metrics.namespaces_refused(len(refusals))
    for namespace, why in refusals.items():
        log.error("a namespace refuses to be watched; it is left out", namespace=namespace, why=why)
    if refusals and len(refusals) == len(given):
        raise NoNamespaceAccessError(
            f"none of watch-namespaces ({', '.join(given)}) lets the operator watch its jobs:"
            f" {refusals[given[0]]}"
        )
    return tuple(refusals)


async def until_it_changes(client: Client, scope: Scope, refused: tuple[str, ...]) -> None:
    """A watch that is open goes on for minutes without its rights, and then dies in silence. A single
    refusal is not believed: an API server that is being upgraded may forbid anything for a moment."""
    doubted: set[str] = set()
    while scope.namespaces:
        await asyncio.sleep(ASK_AGAIN_SECONDS)
        refusing = {each for each in scope.namespaces if await _refusal(client, each)}
        for namespace in refused:
            if namespace not in refusing:
                raise NamespaceAccessChanged(
                    f"namespace {namespace!r} may be watched now; starting anew"
                )
        for namespace in (refusing & doubted).difference(refused):
            raise NamespaceAccessChanged(
                f"namespace {namespace!r} refuses to be watched; starting anew"
            )
        doubted = refusing
    await asyncio.Event().wait()


async def _refusal(client: Client, namespace: str) -> str:
    """The server's words, where it forbids. Whatever else is wrong says nothing about rights."""
    path = f"/apis/{API_VERSION}/namespaces/{namespace}/stargatejobs"
    try:
        async with asyncio.timeout(_PATIENCE):
            await client.get_raw(path, query={"limit": "1"}, priority=True)
    except ApiError as error:
        return error.message if error.forbidden else ""
    except TimeoutError:
        return ""
    return ""
