"""Completion: of job names, and for `kubectl stargate` as kubectl wants it.

A shell waits for it, so it asks once, briefly, and completes nothing where that fails.
"""

import os
import shlex
import sys
from contextlib import suppress

import typer

from stargate_api import Client, StargateError

_SECONDS = 2.0
_NO_FILES = ":4"
"""cobra's directive, which kubectl reads from the last line."""


def job_names(context: typer.Context, incomplete: str) -> list[str]:
    given = context.params
    try:
        client = Client(
            namespace=given.get("namespace"),
            context=given.get("context"),
            kubeconfig=given.get("kubeconfig"),
            timeout=_SECONDS,
            retries=0,
        )
        with client:
            found = [each.name for each in client.list_jobs()]
    except StargateError:
        return []
    return [name for name in found if name.startswith(incomplete)]


def main() -> None:
    """`kubectl_complete-stargate`, which kubectl runs with what has been typed so far. What typer
    prints for fish, a word and its description, is what kubectl wants too."""
    from stargate_api.cli.app import app

    *typed, incomplete = sys.argv[1:] or [""]
    line = f"{shlex.join(['kubectl-stargate', *typed])} {incomplete}"
    os.environ["_KUBECTL_STARGATE_COMPLETE"] = "complete_fish"
    os.environ["_TYPER_COMPLETE_FISH_ACTION"] = "get-args"
    os.environ["_TYPER_COMPLETE_ARGS"] = line
    with suppress(SystemExit):
        app(prog_name="kubectl-stargate")
    print(_NO_FILES)
