"""Parsing the variables of the operator and of torchrun."""

import pytest

from stargate_operator.desired.environment import environment as told_by_the_operator
from stargate_worker import NotInAJob, ResumePoint
from stargate_worker.environment import read
from tests.kit.builders import TARGET, GivenJob, blueprint, job
from tests.unit.worker.fake_operator import environ


def operators_word(given: GivenJob, rank: str = "3") -> dict[str, str]:
    entries = told_by_the_operator(given, blueprint(given), attempt=2, rank=rank, target=TARGET)
    return {each["name"]: each["value"] for each in entries}


@pytest.mark.parametrize("step", [None, 0, 300])
def test_operator_s_variables_are_parsed(step: int | None) -> None:
    given = job().running(2).saved(40).restored(40, "s3://bucket/epoch-40", step)

    told = read(operators_word(given))

    assert (told.job, told.namespace, told.attempt) == ("train", "team-a", 2)
    assert (told.node_rank, told.nodes) == (3, 4)
    assert (told.processes.rank, told.processes.world_size) == (3, 4)
    assert told.master_address == "train-2-0.train.team-a.svc"
    assert told.master_port == 29500
    assert (told.epochs, told.checkpoint_interval_epochs) == (100, 5)
    assert told.checkpoint_uri.endswith("/attempt-2")
    assert told.grace_seconds == 30
    assert told.resume == ResumePoint(40, "s3://bucket/epoch-40", "s3://bucket/epoch-40", step)


def test_new_job_has_no_resume_point() -> None:
    assert read(operators_word(job())).resume is None


def test_warm_start_begins_at_epoch_0() -> None:
    resume = read(operators_word(job().restored(None, "s3://other/epoch-90"))).resume
    assert resume is not None
    assert (resume.epoch, resume.step, resume.uri) == (0, None, "s3://other/epoch-90")


def test_torchrun_process_has_its_own_rank() -> None:
    torchrun = {"RANK": "3", "WORLD_SIZE": "4", "TORCHELASTIC_RESTART_COUNT": "1"}
    first = read(environ(STARGATE_RANK="1", LOCAL_RANK="0", **(torchrun | {"RANK": "2"})))
    second = read(environ(STARGATE_RANK="1", LOCAL_RANK="1", **torchrun))

    assert (second.processes.rank, second.processes.world_size) == (3, 4)
    assert (second.node_rank, second.nodes, second.processes.restarts) == (1, 2, 1)
    assert (first.reports, second.reports) == (True, False)


def test_one_process_leads_the_gang() -> None:
    assert read(environ()).leads
    assert not read(environ(STARGATE_RANK="1")).leads
    assert not read(environ(LOCAL_RANK="1", RANK="1", WORLD_SIZE="4")).leads


@pytest.mark.parametrize(
    "name",
    sorted(n for n in environ() if n != "STARGATE_GRACE_PERIOD_SECONDS" and "RESUME" not in n),
)
def test_missing_variable_is_named(name: str) -> None:
    with pytest.raises(NotInAJob, match=f"{name} is not set: the operator sets it"):
        read(environ(**{name: ""}))


@pytest.mark.parametrize("value", ["three", "-1", "1.5", "²"])
def test_malformed_number_is_named(value: str) -> None:
    with pytest.raises(NotInAJob, match="STARGATE_RANK must be a whole number"):
        read(environ(STARGATE_RANK=value))


def test_torchrun_without_rank_is_refused() -> None:
    with pytest.raises(NotInAJob, match="RANK is not set: torchrun"):
        read(environ(LOCAL_RANK="0"))


def test_report_url_without_tls_is_refused() -> None:
    with pytest.raises(NotInAJob, match="STARGATE_REPORT_URL must start with https"):
        read(environ(STARGATE_REPORT_URL="http://localhost/report"))


def test_missing_grace_period_is_30_seconds() -> None:
    assert read(environ(STARGATE_GRACE_PERIOD_SECONDS="")).grace_seconds == 30
