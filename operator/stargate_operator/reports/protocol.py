"""The messages between a worker and the operator, and the checks of a report.

A report is checked in two steps. msgspec checks its form (types and bounds) before the job is known.
`validate` checks its sense against the job's epochs, the attempt's folder and the checkpoints in the
status. Unknown fields are refused, because a misspelt `epcoh` would otherwise pass as a heartbeat.

See docs/decisions/0049-position-is-epoch-and-step.md.
"""

import re
from collections import Counter
from typing import Annotated
from urllib.parse import unquote

import msgspec

from stargate_operator.model.reports import CheckpointKey, CheckpointState
from stargate_operator.reports.errors import (
    ReportRefused,
    conflict,
    forbidden,
    invalid,
    unavailable,
    unreadable,
)
from stargate_operator.reports.job_lookup import JobView
from stargate_types.position import START, Position
from stargate_types.status import MAX_METRICS

MAX_INT = 2**63 - 1
Whole = Annotated[int, msgspec.Meta(ge=0, le=MAX_INT)]
Positive = Annotated[int, msgspec.Meta(ge=1, le=MAX_INT)]
Uri = Annotated[str, msgspec.Meta(min_length=1, max_length=2048, pattern=r"^[^\s\x00-\x1f\x7f]+$")]
MetricName = Annotated[
    str, msgspec.Meta(min_length=1, max_length=63, pattern=r"^[^\x00-\x1f\x7f]+$")
]


class Metric(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """One metric of a report, such as the loss."""

    name: MetricName
    value: float


class Checkpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A checkpoint as a worker reports it."""

    epoch: Whole
    uri: Uri
    state: CheckpointState
    size_bytes: Whole | None = None
    step: Whole | None = None

    @property
    def position(self) -> Position:
        return Position(self.epoch, self.step)

    @property
    def key(self) -> CheckpointKey:
        return CheckpointKey.of(self.position, self.uri, self.state)


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """One report of a worker. All fields are optional: an empty report says that the rank is alive.

    `total_steps` is the trainer's own estimate. It counts where the job's spec states no steps.
    """

    epoch: Whole | None = None
    step: Whole | None = None
    metrics: Annotated[tuple[Metric, ...], msgspec.Meta(max_length=MAX_METRICS)] = ()
    checkpoint: Checkpoint | None = None
    total_steps: Positive | None = None


class Acknowledged(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A checkpoint that is in the job's status, so that it survives any crash of the operator."""

    epoch: int
    uri: str
    state: CheckpointState
    step: int | None = None


class Answer(msgspec.Struct, frozen=True, rename="camel"):
    """The operator's answer to a report.

    `stop`: the job or this attempt ends; the worker should save and exit. `delete`: URIs of the
    checkpoints that the job no longer keeps. Only rank 0 gets them, and workers delete no others.
    """

    attempt: int
    next_report_seconds: float
    stop: bool
    acknowledged: Acknowledged | msgspec.UnsetType = msgspec.UNSET
    delete: tuple[str, ...] = ()


_decoder = msgspec.json.Decoder(Report)
encode = msgspec.json.Encoder().encode

_AT = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<field>.*)`)?$", re.DOTALL)
_UNKNOWN = re.compile(r"unknown field `(?P<name>.*)`", re.DOTALL)
_SHOWN = 64


def decode(body: bytes) -> Report:
    try:
        return _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _wrong_form(str(error)) from None
    except ValueError as error:
        raise _no_json(body, str(error)) from None


def _wrong_form(said: str) -> ReportRefused:
    match = _AT.match(said)
    what, at = (match["what"], match["field"] or "") if match else (said, "")
    unknown = _UNKNOWN.search(what)
    if unknown:
        return _unknown_field(at, unknown["name"][:_SHOWN])
    field = at or "the report"
    return unreadable(f"{field}: {what}", field=at)


def _unknown_field(at: str, name: str) -> ReportRefused:
    kind = Metric if at.startswith("metrics") else Checkpoint if at == "checkpoint" else Report
    known = ", ".join(field.encode_name for field in msgspec.structs.fields(kind))
    field = f"{at}.{name}" if at else name
    return unreadable(f"{field}: there is no such field; there are {known}", field=field)


def _no_json(body: bytes, said: str) -> ReportRefused:
    if b"NaN" in body or b"Infinity" in body:
        return unreadable(
            "metrics: NaN and Infinity are no JSON numbers; leave out a metric that has no value",
            field="metrics",
        )
    return unreadable(f"the report is no JSON in UTF-8: {said}")


def validate(report: Report, rank: int, view: JobView) -> None:
    """Raises ReportRefused, which names the first field that cannot be true for this job and rank."""
    _possible("epoch", report.epoch, at_most=view.epochs)
    _possible("step", report.step, at_most=view.steps)
    _distinct_names(report.metrics)
    if report.checkpoint is not None:
        _possible("checkpoint.epoch", report.checkpoint.epoch, at_most=view.epochs)
        _possible("checkpoint.step", report.checkpoint.step, at_most=view.steps)
        _believable(report.checkpoint, rank, view)


def _possible(field: str, count: int | None, *, at_most: int | None) -> None:
    if count is not None and at_most is not None and count > at_most:
        unit = field.rpartition(".")[2]
        raise invalid(field, f"{count} is more than the {at_most} {unit}s of the job")


def _distinct_names(metrics: tuple[Metric, ...]) -> None:
    names = Counter(metric.name for metric in metrics)
    for index, metric in enumerate(metrics):
        if names[metric.name] > 1:
            raise invalid(f"metrics[{index}].name", f"{metric.name!r} is given more than once")


def _believable(checkpoint: Checkpoint, rank: int, view: JobView) -> None:
    if checkpoint.state == "Damaged":
        return
    if rank != 0:
        raise forbidden(
            f"checkpoint.state: rank 0 reports {checkpoint.state} for the whole gang; rank {rank}"
            " may report a checkpoint only as Damaged"
        )
    _inside_own_folder(checkpoint.uri, view)
    _newer_than_written(checkpoint, view)


def _inside_own_folder(uri: str, view: JobView) -> None:
    """The URI contains the attempt, so that a worker of an old attempt cannot
    overwrite a checkpoint in use."""
    if not view.checkpoint_folder:
        raise unavailable("it is not known now where this attempt's checkpoints go", retry_after=5)
    folder = view.checkpoint_folder.rstrip("/") + "/"
    inside = uri.startswith(folder) and len(uri) > len(folder)
    if not inside or ".." in unquote(uri).split("/"):
        raise invalid("checkpoint.uri", f"must lie in this attempt's folder, {folder}")


def _newer_than_written(checkpoint: Checkpoint, view: JobView) -> None:
    """The positions of complete checkpoints never go back, and no checkpoint is written twice."""
    if view.has(checkpoint.key):
        return
    complete = [known for known in view.checkpoints if known.state == "Complete"]
    newest = max((known.position for known in complete), default=START)
    if checkpoint.state == "Complete" and checkpoint.position < newest:
        field = "epoch" if checkpoint.epoch < newest.epoch else "step"
        raise conflict(
            "OlderCheckpoint",
            f"checkpoint.{field}: a checkpoint of {newest} stands; one of {checkpoint.position} would"
            " go back",
        )
    if view.has(CheckpointKey.of(checkpoint.position, checkpoint.uri, "Damaged")):
        raise conflict(
            "DamagedCheckpoint",
            f"checkpoint.uri: the checkpoint at {checkpoint.uri} was reported as Damaged; write"
            " another one under another URI",
        )
    if any(known.uri == checkpoint.uri for known in complete):
        raise conflict(
            "AlreadyComplete",
            f"checkpoint.uri: a complete checkpoint stands at {checkpoint.uri}; write another one"
            " under another URI",
        )
