"""The commands of `kubectl stargate`, one function each. typer makes the help from their signatures.

A command calls the client and prints the result. An error becomes one message on stderr and an exit
code: 2 for invalid input, 3 for a missing right, 4 for an object that does not exist, 5 for a cluster
that does not answer, 1 for any other refusal.
"""

import json
import sys
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated

import typer

from stargate_api import (
    Answer,
    InvalidConfig,
    NotAuthorised,
    NotFound,
    StargateError,
    Timeout,
    Unreachable,
)
from stargate_api._client import training_config
from stargate_api._client.base import package_version
from stargate_api.cli import output
from stargate_api.cli.complete import job_names
from stargate_api.cli.connection_options import (
    ConnectionOptions,
    with_cluster_connection,
    with_connection,
)
from stargate_api.cli.job_files import invalid_input, read_job
from stargate_api.job_status import JobStatus
from stargate_types import API_VERSION
from stargate_types.status import Phase

app = typer.Typer(
    name="kubectl-stargate",
    help="Train on Stargate: submit jobs, follow them, see which nodes are free.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


_CHECK_EXIT_CODES = {Answer.YES: 0, Answer.NOT_NOW: 6, Answer.NEVER: 7}


class ListFormat(StrEnum):
    """Choices of `--output` for a list."""

    JSON = "json"
    YAML = "yaml"
    WIDE = "wide"


class ObjectFormat(StrEnum):
    """Choices of `--output` for one object."""

    JSON = "json"
    YAML = "yaml"


class SubmitFormat(StrEnum):
    """Choices of `--output` after a submission."""

    JSON = "json"
    YAML = "yaml"
    NAME = "name"


Job = Annotated[
    str,
    typer.Argument(
        metavar="JOB", help="Name of the job, or namespace/name.", autocompletion=job_names
    ),
]
File = Annotated[
    str,
    typer.Option(
        "--file",
        "-f",
        metavar="FILE",
        help="A StargateJob in YAML, or a training config in JSON or YAML; - reads stdin.",
    ),
]
ListOutput = Annotated[ListFormat | None, typer.Option("--output", "-o", help="Default: columns.")]
ObjectOutput = Annotated[
    ObjectFormat | None, typer.Option("--output", "-o", help="Default: one screen.")
]


@app.command()
@with_connection
def submit(
    connection: ConnectionOptions,
    file: File,
    request_id: Annotated[
        str | None,
        typer.Option(help="Submit a config once, however often you run this with the same id."),
    ] = None,
    follow: Annotated[bool, typer.Option("--watch", "-w", help="Then follow the job.")] = False,
    output_format: Annotated[
        SubmitFormat | None, typer.Option("--output", "-o", help="Default: a sentence.")
    ] = None,
) -> None:
    """Create a job."""
    found = read_job(file)
    with connection.client() as client:
        if training_config.is_manifest(found):
            _only_for_configs(request_id)
            job_id = client.submit_manifest(found, namespace=connection.namespace)
        else:
            job_id = client.submit_training_job(found, request_id=request_id)
        if output_format is SubmitFormat.NAME:
            output.text(job_id)
        elif output_format:
            output.document(client.get_job_status(job_id).manifest, output_format)
        else:
            output.text(f"{job_id} submitted")
        if follow:
            _exit_as(output.follow(client, job_id))


@app.command()
@with_connection
def check(
    connection: ConnectionOptions,
    file: File,
    output_format: ObjectOutput = None,
) -> None:
    """Ask whether a job would start now, in which block, and if not, why. Submits nothing.

    Exits with 0 if it would start now, with 6 if not now, and with 7 if never."""
    wanted = read_job(file)
    with connection.client() as client:
        found = client.check(wanted, namespace=connection.namespace)
        if output_format:
            plain = json.loads(json.dumps(asdict(found)))  # enumerations as text
            output.document(plain, output_format)
        else:
            output.feasibility(found)
        raise typer.Exit(_CHECK_EXIT_CODES[found.answer])


@app.command("list")
@with_connection
def list_(
    connection: ConnectionOptions,
    all_namespaces: Annotated[bool, typer.Option("--all-namespaces", "-A")] = False,
    output_format: ListOutput = None,
) -> None:
    """List jobs."""
    with connection.client() as client:
        found = client.list_jobs(all_namespaces=all_namespaces)
        if output_format in (ListFormat.JSON, ListFormat.YAML):
            output.documents([job.manifest for job in found], output_format)
        elif found:
            output.jobs(found, wide=output_format is ListFormat.WIDE, namespaces=all_namespaces)
        else:
            output.hint(
                "No jobs" + ("." if all_namespaces else f" in namespace {client.namespace}.")
            )


@app.command()
@with_connection
def status(
    connection: ConnectionOptions,
    job: Job,
    output_format: ObjectOutput = None,
) -> None:
    """Show one job on one screen."""
    with connection.client() as client:
        found = client.get_job_status(job)
        if output_format:
            output.document(found.manifest, output_format)
        else:
            output.job(found)


@app.command()
@with_connection
def watch(
    connection: ConnectionOptions,
    job: Job,
) -> None:
    """Follow a job until it has finished: live on a terminal, a line for each change in a pipe.

    Exits with 0 if the job succeeded, and with 1 if it failed."""
    with connection.client() as client:
        _exit_as(output.follow(client, job))


@app.command()
@with_connection
def logs(
    connection: ConnectionOptions,
    job: Job,
    rank: Annotated[int, typer.Option("--rank", "-r", min=0)] = 0,
    attempt: Annotated[int | None, typer.Option(min=1, help="Default: the current one.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Print new lines as they come.")
    ] = False,
    tail: Annotated[int | None, typer.Option(min=0, help="Print only the last lines.")] = None,
) -> None:
    """Print the log of one rank."""
    with connection.client() as client:
        for line in client.logs(job, rank, attempt=attempt, follow=follow, tail=tail):
            output.log(line)


@app.command()
@with_cluster_connection
def compute(
    connection: ConnectionOptions,
    min_nodes: Annotated[int, typer.Option(min=0, help="Free nodes of one accelerator.")] = 0,
    max_latency_ms: Annotated[
        float | None, typer.Option(min=0, help="Between any two nodes of the block.")
    ] = None,
    accelerator: Annotated[str | None, typer.Option(help="An acceleratorType.")] = None,
    output_format: ListOutput = None,
) -> None:
    """Show how much of each compute block is free."""
    with connection.client() as client:
        found = client.query_available_compute(min_nodes, max_latency_ms, accelerator)
        if output_format in (ListFormat.JSON, ListFormat.YAML):
            output.documents([block.manifest for block in found], output_format)
        elif found:
            output.blocks(found, wide=output_format is ListFormat.WIDE)
        else:
            output.hint("No compute block fits.")


@app.command()
@with_connection
def suspend(
    connection: ConnectionOptions,
    job: Job,
) -> None:
    """Suspend a job: free its nodes and keep its checkpoints."""
    with connection.client() as client:
        found = client.suspend(job)
        output.text(_already(found) or f"{found.job_id} is being suspended")


@app.command()
@with_connection
def resume(
    connection: ConnectionOptions,
    job: Job,
) -> None:
    """Resume a suspended job from its last checkpoint."""
    with connection.client() as client:
        found = client.resume(job)
        output.text(_already(found) or f"{found.job_id} goes on{_from(found)}")


@app.command()
@with_connection
def cancel(
    connection: ConnectionOptions,
    job: Job,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")] = False,
) -> None:
    """Delete a job and its workers; its checkpoints stay. Asks first, on a terminal."""
    with connection.client() as client:
        found = client.get_job_status(job)
        if not yes and sys.stdin.isatty():
            typer.confirm(f"Delete {found.job_id} ({found.state}{_from(found)})?", abort=True)
        client.cancel(found.job_id)
        output.text(f"{found.job_id} deleted")


@app.command()
@with_cluster_connection
def version(
    connection: ConnectionOptions,
    client_only: Annotated[
        bool, typer.Option("--client", help="Print the client's version alone.")
    ] = False,
    output_format: ObjectOutput = None,
) -> None:
    """Print the versions of this program and of the cluster."""
    found = {"client": package_version(), "api": API_VERSION}
    if not client_only:
        with connection.client() as client:
            found |= {"kubernetes": client.server_version(), "server": client.endpoint}
    if output_format:
        output.document(found, output_format)
    else:
        for name, value in found.items():
            output.text(f"{name + ':':12} {value}")


def main() -> None:
    """Runs the command line. Exits with 141 where the program that reads its output has ended."""
    try:
        app()
    except StargateError as error:
        output.failure(str(error))
        sys.exit(_exit_code(error))
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)


def _exit_code(error: StargateError) -> int:
    match error:
        case InvalidConfig():
            return 2
        case NotAuthorised():
            return 3
        case NotFound():
            return 4
        case Unreachable() | Timeout():
            return 5
        case _:
            return 1


def _only_for_configs(request_id: str | None) -> None:
    if request_id is not None:
        must = "it is for training configs; metadata.name identifies a manifest"
        raise invalid_input("--request-id", must)


def _already(found: JobStatus) -> str:
    return f"{found.job_id} has {found.state.lower()} already" if found.finished else ""


def _from(found: JobStatus) -> str:
    saved = found.checkpoint
    return "" if saved is None else f", checkpoint at {saved.position}"


def _exit_as(found: JobStatus | None) -> None:
    raise typer.Exit(0 if found and found.phase is Phase.SUCCEEDED else 1)
