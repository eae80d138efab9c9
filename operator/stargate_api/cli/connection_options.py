"""The options that choose a cluster, in one place for all commands.

typer reads the options of a command from its signature. The decorator adds `--namespace`, `--context`
and `--kubeconfig` to that signature, and hands the command one object in their place.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import update_wrapper
from typing import Annotated, Any, Concatenate, ParamSpec

import typer

from stargate_api import Client

P = ParamSpec("P")

_NAMESPACE = Annotated[
    str | None, typer.Option("--namespace", "-n", help="Default: the context's namespace.")
]
_CONTEXT = Annotated[str | None, typer.Option("--context", help="Context of the kubeconfig.")]
_KUBECONFIG = Annotated[str | None, typer.Option("--kubeconfig", help="Default: KUBECONFIG.")]


@dataclass(frozen=True)
class ConnectionOptions:
    """The cluster and namespace that a command line states; None where it states nothing."""

    namespace: str | None = None
    context: str | None = None
    kubeconfig: str | None = None

    def client(self) -> Client:
        """A new client. Raises InvalidConfig where the options lead to no cluster."""
        return Client(namespace=self.namespace, context=self.context, kubeconfig=self.kubeconfig)


def with_connection(
    command: Callable[Concatenate[ConnectionOptions, P], None],
) -> Callable[..., None]:
    """Gives a command `--namespace`, `--context` and `--kubeconfig`.

    The command takes a ConnectionOptions as its first argument.
    """
    return _with_options(
        command, {"namespace": _NAMESPACE, "context": _CONTEXT, "kubeconfig": _KUBECONFIG}
    )


def with_cluster_connection(
    command: Callable[Concatenate[ConnectionOptions, P], None],
) -> Callable[..., None]:
    """`with_connection` without `--namespace`, for a command about the whole cluster."""
    return _with_options(command, {"context": _CONTEXT, "kubeconfig": _KUBECONFIG})


def _with_options(command: Callable[..., None], options: dict[str, Any]) -> Callable[..., None]:
    def run(**arguments: Any) -> None:
        stated = {name: arguments.pop(name) for name in options}
        command(ConnectionOptions(**stated), **arguments)

    _, *own = inspect.signature(command, eval_str=True).parameters.values()
    added = [
        inspect.Parameter(
            name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=annotation
        )
        for name, annotation in options.items()
    ]
    found: Any = update_wrapper(run, command)
    del found.__wrapped__  # inspect would read the signature of the command itself
    found.__signature__ = inspect.Signature([*own, *added])
    found.__annotations__ = {parameter.name: parameter.annotation for parameter in [*own, *added]}
    wrapped: Callable[..., None] = found
    return wrapped
