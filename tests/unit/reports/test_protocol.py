import msgspec
import pytest

from stargate_kit.report_fakes import FOLDER, view
from stargate_kit.report_fakes import checkpoint as stood
from stargate_operator.model.reports import CheckpointReport
from stargate_operator.reports import errors, protocol
from stargate_operator.reports.errors import ReportRefused
from stargate_types.position import Position

COMPLETE_40 = stood(40)
COMPLETE_40_300 = stood(40, step=300)
STEPS = 5000


def refused(
    body: bytes, *, rank: int = 0, stands: tuple[CheckpointReport, ...] = ()
) -> ReportRefused:
    with pytest.raises(ReportRefused) as caught:
        protocol.validate(protocol.decode(body), rank, view(*stands, steps=STEPS))
    return caught.value


def checkpoint(**fields: object) -> bytes:
    said = {"epoch": 45, "uri": f"{FOLDER}/epoch-45", "state": "Complete"} | fields
    return msgspec.json.encode({"checkpoint": said})


@pytest.mark.parametrize(
    ("body", "field", "hint"),
    [
        (b'{"epoch":-1}', "epoch", ">= 0"),
        (b'{"epoch":1.5}', "epoch", "got `float`"),
        (b'{"epoch":true}', "epoch", "got `bool`"),
        (b'{"epoch":101}', "epoch", "100 epochs"),
        (b'{"step":-3}', "step", ">= 0"),
        (b'{"step":99999999999999999999}', "step", "<= 9223372036854775807"),
        (b'{"step":5001}', "step", "more than the 5000 steps of the job"),
        (b'{"totalSteps":0}', "totalSteps", ">= 1"),
        (b'{"totalSteps":1.5}', "totalSteps", "got `float`"),
        (b'{"total_steps":7}', "total_steps", "totalSteps"),
        (b'{"epcoh":3}', "epcoh", "epoch, step, metrics, checkpoint, totalSteps"),
        (b'{"metrics":[{"name":"loss","value":1,"unit":"x"}]}', "metrics[0].unit", "name, value"),
        (b'{"metrics":[{"name":"loss"}]}', "metrics[0]", "`value`"),
        (b'{"metrics":[{"name":"","value":1}]}', "metrics[0].name", ">= 1"),
        (b'{"metrics":[{"name":"%s","value":1}]}' % (b"x" * 64), "metrics[0].name", "<= 63"),
        (b'{"metrics":[{"name":"a\\nb","value":1}]}', "metrics[0].name", "regex"),
        (b'{"metrics":[{"name":"loss","value":NaN}]}', "metrics", "leave out"),
        (b'{"metrics":[{"name":"loss","value":-Infinity}]}', "metrics", "leave out"),
        (b'{"metrics":[{"name":"loss","value":1e999}]}', "metrics[0].value", "out of range"),
        (b'{"metrics":[{"name":"loss","value":"1"}]}', "metrics[0].value", "`float`"),
        (
            b'{"metrics":[{"name":"a","value":1},{"name":"a","value":2}]}',
            "metrics[0].name",
            "more than once",
        ),
        (
            b'{"metrics":[%s]}' % b",".join([b'{"name":"a","value":1}'] * 17),
            "metrics",
            "<= 16",
        ),
        (checkpoint(epoch=101), "checkpoint.epoch", "100 epochs"),
        (checkpoint(epoch=-1), "checkpoint.epoch", ">= 0"),
        (checkpoint(step=5001), "checkpoint.step", "5000 steps"),
        (checkpoint(step=-1), "checkpoint.step", ">= 0"),
        (checkpoint(uri=""), "checkpoint.uri", ">= 1"),
        (checkpoint(uri=f"{FOLDER}/a b"), "checkpoint.uri", "regex"),
        (checkpoint(uri=f"{FOLDER}/{'x' * 2048}"), "checkpoint.uri", "<= 2048"),
        (checkpoint(uri="s3://bucket/train/materia/attempt-11/e"), "checkpoint.uri", FOLDER),
        (checkpoint(uri=FOLDER + "/"), "checkpoint.uri", FOLDER),
        (checkpoint(uri=f"{FOLDER}/../attempt-2/e"), "checkpoint.uri", FOLDER),
        (checkpoint(uri=f"{FOLDER}/%2e%2e/attempt-2/e"), "checkpoint.uri", FOLDER),
        (checkpoint(state="Writing", uri="s3://else/where"), "checkpoint.uri", FOLDER),
        (checkpoint(state="Done"), "checkpoint.state", "Done"),
        (checkpoint(sizeBytes=-1), "checkpoint.sizeBytes", ">= 0"),
        (checkpoint(size_bytes=1), "checkpoint.size_bytes", "sizeBytes"),
        (b"[1]", "", "`object`"),
        (b"", "", "JSON"),
        (b'{"epoch":1', "", "JSON"),
        (b'{"epoch":1}}', "", "JSON"),
        (b'{"checkpoint":{"uri":"\xff"}}', "", "UTF-8"),
    ],
)
def test_impossible_value_is_refused_with_its_field(body: bytes, field: str, hint: str) -> None:
    said = refused(body)
    assert said.code == 400
    assert said.reason in ("BadRequest", "Invalid")
    assert said.field == field
    assert field in said.message
    assert hint in said.message


def test_only_rank_0_completes_a_checkpoint() -> None:
    said = refused(checkpoint(), rank=7)
    assert said.code == 403
    assert "rank 7" in said.message


def test_checkpoint_without_known_folder_must_be_reported_again() -> None:
    report = protocol.decode(checkpoint())
    with pytest.raises(ReportRefused) as caught:
        protocol.validate(report, 0, view(checkpoint_folder=""))
    assert caught.value.code == 503


def test_any_rank_may_report_a_damaged_checkpoint() -> None:
    body = checkpoint(state="Damaged", uri="s3://bucket/train/materia/attempt-0/epoch-40")
    protocol.validate(protocol.decode(body), 7, view())


@pytest.mark.parametrize(
    ("stands", "epoch", "step", "field"),
    [
        (COMPLETE_40, 39, None, "checkpoint.epoch"),
        (COMPLETE_40, 39, 999, "checkpoint.epoch"),
        (COMPLETE_40_300, 39, 301, "checkpoint.epoch"),
        (COMPLETE_40_300, 40, 299, "checkpoint.step"),
        (COMPLETE_40_300, 40, None, "checkpoint.step"),
    ],
)
def test_a_complete_checkpoint_does_not_go_back(
    stands: CheckpointReport, epoch: int, step: int | None, field: str
) -> None:
    said = refused(checkpoint(epoch=epoch, step=step, uri=f"{FOLDER}/older"), stands=(stands,))
    assert (said.code, said.reason) == (409, "OlderCheckpoint")
    assert said.message.startswith(f"{field}: a checkpoint of {stands.position} stands")


@pytest.mark.parametrize(
    ("stands", "epoch", "step"),
    [
        (COMPLETE_40, 40, None),
        (COMPLETE_40, 40, 0),
        (COMPLETE_40_300, 40, 300),
        (COMPLETE_40_300, 40, 301),
        (COMPLETE_40_300, 41, None),
    ],
)
def test_complete_checkpoint_at_least_as_new_is_accepted(
    stands: CheckpointReport, epoch: int, step: int | None
) -> None:
    body = checkpoint(epoch=epoch, step=step, uri=f"{FOLDER}/newer")
    protocol.validate(protocol.decode(body), 0, view(stands))


def test_steps_have_no_limit_that_no_job_states() -> None:
    protocol.validate(protocol.decode(b'{"step":5001,"totalSteps":5000}'), 0, view())


def test_damaged_checkpoint_does_not_count_as_written() -> None:
    body = checkpoint(epoch=39, uri=f"{FOLDER}/epoch-39")
    protocol.validate(protocol.decode(body), 0, view(stood(40, "Damaged")))


def test_complete_checkpoint_is_not_written_again() -> None:
    body = checkpoint(epoch=41, uri=COMPLETE_40.uri, state="Writing")
    assert refused(body, stands=(COMPLETE_40,)).reason == "AlreadyComplete"


def test_a_full_report_is_read() -> None:
    report = protocol.decode(
        b'{"epoch":3,"step":120,"totalSteps":900,"metrics":[{"name":"loss","value":2}],'
        b'"checkpoint":{"epoch":3,"step":120,"uri":"s3://b/e","sizeBytes":12,"state":"Writing"}}'
    )
    assert (report.epoch, report.step, report.metrics[0].value) == (3, 120, 2.0)
    assert report.checkpoint is not None
    assert report.total_steps == 900
    assert (report.checkpoint.size_bytes, report.checkpoint.position) == (12, Position(3, 120))


def test_an_empty_report_is_a_sign_of_life() -> None:
    protocol.validate(protocol.decode(b"{}"), 3, view())


def test_refusal_is_a_kubernetes_status() -> None:
    said = msgspec.json.decode(errors.as_status(refused(b'{"epoch":-1}')))
    assert (said["kind"], said["apiVersion"], said["status"]) == ("Status", "v1", "Failure")
    assert (said["code"], said["reason"]) == (400, "BadRequest")
    assert said["details"]["causes"][0]["field"] == "epoch"


def test_answer_omits_checkpoint_that_is_not_acknowledged() -> None:
    answer = protocol.Answer(attempt=2, next_report_seconds=1.0, stop=False)
    assert msgspec.json.decode(protocol.encode(answer)) == {
        "attempt": 2,
        "nextReportSeconds": 1.0,
        "stop": False,
        "delete": [],
    }
