"""Finds out which of the configured namespaces the operator may watch, before it watches any.

A deleted namespace takes the operator's Role with it. The jobs of the other namespaces must neither wait
for it nor make the process end again and again.

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
_TIMEOUT_SECONDS = 10.0


class NoNamespaceAccessError(Exception):
    """No namespace of the scope may be watched."""


class NamespaceAccessChanged(Exception):  # noqa: N818 - a state
    """Another set of namespaces may be watched now: the process must start again."""


async def refused_of(client: Client, scope: Scope) -> tuple[str, ...]:
    """The namespaces that the operator may not watch. Raises NoNamespaceAccessError if all refuse."""
    given = scope.namespaces or ()
    answers = await asyncio.gather(*(_refusal(client, namespace) for namespace in given))
    refusals = {name: why for name, why in zip(given, answers, strict=True) if why}
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
    """Ends with NamespaceAccessChanged when other namespaces may be watched than before.

    An open watch goes on for minutes without its rights and then dies silently, so this asks again and
    again. One refusal is not enough: an API server that is being upgraded may forbid anything for a
    moment.
    """
    doubted: set[str] = set()
    while scope.namespaces:
        await asyncio.sleep(ASK_AGAIN_SECONDS)
        refusing = {each for each in scope.namespaces if await _refusal(client, each)}
        for namespace in refused:
            if namespace not in refusing:
                raise NamespaceAccessChanged(
                    f"namespace {namespace!r} may be watched now; starting again"
                )
        for namespace in (refusing & doubted).difference(refused):
            raise NamespaceAccessChanged(
                f"namespace {namespace!r} refuses to be watched; starting again"
            )
        doubted = refusing
    await asyncio.Event().wait()


async def _refusal(client: Client, namespace: str) -> str:
    """The server's message if it forbids the watch, else nothing. Other errors
    say nothing about rights."""
    path = f"/apis/{API_VERSION}/namespaces/{namespace}/stargatejobs"
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            await client.get_raw(path, query={"limit": "1"}, priority=True)
    except ApiError as error:
        return error.message if error.forbidden else ""
    except TimeoutError:
        return ""
    return ""
