"""The commands of `kubectl stargate`, one function each; their signatures are the help.

A command asks the client and shows what it says. Errors become one message on stderr and an exit
code: 2 for what the caller wrote, 3 for a missing right, 4 for what does not exist, 5 for a cluster
that does not answer, 1 for every other no.
"""

import json
import sys
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from stargate_api import (
    Answer,
    InvalidConfig,
    NotAuthorised,
    NotFound,
    Problem,
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
from stargate_api.job_status import JobStatus
from stargate_types import API_VERSION
from stargate_types.status import Phase

app = typer.Typer(
    name="kubectl-stargate",
    help="Train on Stargate: submit jobs, follow them, see what is free.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


_CODES = {Answer.YES: 0, Answer.NOT_NOW: 6, Answer.NEVER: 7}


class ListFormat(StrEnum):
    JSON = "json"
    YAML = "yaml"
    WIDE = "wide"


class ObjectFormat(StrEnum):
    JSON = "json"
    YAML = "yaml"


class SubmitFormat(StrEnum):
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


Job = Annotated[
    str,
    typer.Argument(metavar="JOB", help="Its name, or namespace/name.", autocompletion=job_names),
]
File = Annotated[
    str,
    typer.Option(
        "--file",
        "-f",
        metavar="FILE",
        help="A StargateJob in YAML, or a training config in JSON or YAML; - is stdin.",
    ),
]
Columns = Annotated[ListFormat | None, typer.Option("--output", "-o", help="Default: columns.")]
Whole = Annotated[ObjectFormat | None, typer.Option("--output", "-o", help="Default: one screen.")]


@app.command()
@with_connection
def submit(
    connection: ConnectionOptions,
    file: File,
    request_id: Annotated[
        str | None,
        typer.Option(help="Submit a config once, however often this is run with the same id."),
    ] = None,
    follow: Annotated[bool, typer.Option("--watch", "-w", help="Then follow the job.")] = False,
    output_format: Annotated[
        SubmitFormat | None, typer.Option("--output", "-o", help="Default: words.")
    ] = None,
) -> None:
    """Create a job."""
    found = _read_job(file)
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
    output_format: Whole = None,
) -> None:
    """Ask whether a job would start now, in which block, and if not, why. Submits nothing.

    Ends with 0 if it would, with 6 if not now, and with 7 if never."""
    wanted = _read_job(file)
    with connection.client() as client:
        found = client.check(wanted, namespace=connection.namespace)
        if output_format:
            output.document(json.loads(json.dumps(asdict(found))), output_format)
        else:
            output.feasibility(found)
        raise typer.Exit(_CODES[found.answer])


@app.command("list")
@with_connection
def list_(
    connection: ConnectionOptions,
    all_namespaces: Annotated[bool, typer.Option("--all-namespaces", "-A")] = False,
    output_format: Columns = None,
) -> None:
    """List jobs."""
    with connection.client() as client:
        found = client.list_jobs(all_namespaces=all_namespaces)
        if output_format in (ListFormat.JSON, ListFormat.YAML):
            output.documents([each.manifest for each in found], output_format)
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
    output_format: Whole = None,
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
    """Follow a job until it has finished: live on a terminal, a line for each change elsewhere.

    Ends with 0 if it succeeded, and with 1 if it failed."""
    with connection.client() as client:
        _exit_as(output.follow(client, job))


@app.command()
@with_connection
def logs(
    connection: ConnectionOptions,
    job: Job,
    rank: Annotated[int, typer.Option("--rank", "-r", min=0)] = 0,
    attempt: Annotated[int | None, typer.Option(min=1, help="Default: the current one.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with it.")] = False,
    tail: Annotated[int | None, typer.Option(min=0, help="Only so many last lines.")] = None,
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
    output_format: Columns = None,
) -> None:
    """Show which compute blocks have how much free."""
    with connection.client() as client:
        found = client.query_available_compute(min_nodes, max_latency_ms, accelerator)
        if output_format in (ListFormat.JSON, ListFormat.YAML):
            output.documents([each.manifest for each in found], output_format)
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
    """Free a job's nodes; its checkpoints stay."""
    with connection.client() as client:
        found = client.suspend(job)
        output.text(_already(found) or f"{found.job_id} is being suspended")


@app.command()
@with_connection
def resume(
    connection: ConnectionOptions,
    job: Job,
) -> None:
    """Let a suspended job go on from its last checkpoint."""
    with connection.client() as client:
        found = client.resume(job)
        output.text(_already(found) or f"{found.job_id} goes on{_from(found)}")


@app.command()
@with_connection
def cancel(
    connection: ConnectionOptions,
    job: Job,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
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
    client_only: Annotated[bool, typer.Option("--client", help="Ask no server.")] = False,
    output_format: Whole = None,
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
    """The console script. A program that reads from us may stop reading when it likes."""
    try:
        app()
    except StargateError as error:
        output.failure(str(error))
        sys.exit(_code(error))
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)


def _code(error: StargateError) -> int:
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


def _read_job(file: str) -> dict[str, Any]:
    """What is wrong with it is said before any cluster is asked for."""
    found = _read(file)
    if training_config.is_manifest(found):
        training_config.read_manifest(found)
    else:
        training_config.read(found)
    return found


def _read(file: str) -> dict[str, Any]:
    """JSON is YAML, save for what YAML makes of tabs; so each is read as itself."""
    name = "stdin" if file == "-" else file
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text()
        found = json.loads(text) if text.lstrip().startswith("{") else _only_document(text)
    except OSError as error:
        raise _wrong(name, f"it cannot be read: {error.strerror}") from None
    except (ValueError, yaml.YAMLError) as error:
        raise _wrong(name, f"it is neither JSON nor YAML: {error}") from None
    if not isinstance(found, dict):
        raise _wrong(name, "it holds no job: a StargateJob, or a training config, is expected")
    return found


def _only_document(text: str) -> Any:
    documents = [each for each in yaml.safe_load_all(text) if each is not None]
    if len(documents) > 1:
        raise ValueError(f"{len(documents)} documents; submit one job at a time")
    return documents[0] if documents else None


def _only_for_configs(request_id: str | None) -> None:
    if request_id is not None:
        must = "it is for training configs; a manifest is known by its metadata.name"
        raise _wrong("--request-id", must)


def _wrong(what: str, message: str) -> InvalidConfig:
    return InvalidConfig([Problem("", message)], what)


def _already(found: JobStatus) -> str:
    return f"{found.job_id} has {found.state.lower()} already" if found.finished else ""


def _from(found: JobStatus) -> str:
    epoch = found.checkpoint_epoch
    return "" if epoch is None else f", checkpoint at epoch {epoch}"


def _exit_as(found: JobStatus | None) -> None:
    raise typer.Exit(0 if found and found.phase is Phase.SUCCEEDED else 1)
