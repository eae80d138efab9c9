"""Shell completion of job names, and the completion program that kubectl runs for the plugin.

The shell waits for it, so it sends one request with a short timeout, and offers nothing on failure.
"""

import os
import shlex
import sys
from contextlib import suppress

import typer

from stargate_api import Client, StargateError

_SECONDS = 2.0
_NO_FILES = ":4"
"""cobra's directive "no file completion", which kubectl reads from the last line."""


def job_names(context: typer.Context, incomplete: str) -> list[str]:
    """Names of jobs that start with `incomplete`, in the namespace that the command line states."""
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
            names = [job.name for job in client.list_jobs()]
    except StargateError:
        return []
    return [name for name in names if name.startswith(incomplete)]


def main() -> None:
    """Runs `kubectl_complete-stargate`; its arguments are the words typed so far.

    kubectl reads the format that typer prints for fish: a word and its description.
    """
    from stargate_api.cli.app import app

    *typed, incomplete = sys.argv[1:] or [""]
    line = f"{shlex.join(['kubectl-stargate', *typed])} {incomplete}"
    os.environ["_KUBECTL_STARGATE_COMPLETE"] = "complete_fish"
    os.environ["_TYPER_COMPLETE_FISH_ACTION"] = "get-args"
    os.environ["_TYPER_COMPLETE_ARGS"] = line
    with suppress(SystemExit):
        app(prog_name="kubectl-stargate")
    print(_NO_FILES)
