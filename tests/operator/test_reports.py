"""Workers report to the real server, with tokens that the API server issued for their pods."""

import json
from pathlib import Path

import pytest

from stargate_lab.host.certificates import issue
from tests.kit.story import JobStory, Story
from tests.kit.worker import Worker


@pytest.fixture
def job(story: Story) -> JobStory:
    """A running job."""
    job = story.apply(nodes=2)
    job.wait_phase("Running")
    return job


@pytest.fixture
def rank_zero(job: JobStory) -> Worker:
    return job.worker()


def test_reported_progress_appears_in_status(job: JobStory, rank_zero: Worker) -> None:
    rank_zero.trains_to(10)
    rank_zero.trains_to(11)
    rank_zero.trains_to(12, step=1200, metrics=[{"name": "loss", "value": 0.25}])

    now = job.wait(lambda job: (job.status.get("progress") or {}).get("epoch") == 12, "epoch 12")

    progress = now.status["progress"]
    assert progress["percent"] == 12.0
    assert progress["epochs"] == 100
    assert progress["step"] == 1200
    assert progress["metrics"] == [{"name": "loss", "value": 0.25}]
    assert progress["lastReportTime"]
    assert 0 <= progress["estimatedRemainingSeconds"] < 3600


def test_checkpoint_is_acknowledged_after_it_is_in_status(job: JobStory, rank_zero: Worker) -> None:
    for epoch in (5, 10, 15, 20):
        writing = rank_zero.saves(epoch, "Writing")
        assert "acknowledged" not in writing.body

        answer = rank_zero.saves(epoch)

        saved = rank_zero.checkpoint(epoch)
        newest = job.now.newest_complete
        assert newest, f"epoch {epoch} was acknowledged but is not in the status"
        assert (newest["epoch"], newest["uri"]) == (epoch, saved["uri"])
        assert newest["sizeBytes"] == saved["sizeBytes"]
        assert newest["attempt"] == 1
        assert answer.body["acknowledged"] == {key: saved[key] for key in ("epoch", "uri", "state")}
    assert [each["epoch"] for each in job.now.checkpoints] == [20, 15, 10], (
        "retain is 3, so three checkpoints stay"
    )


def test_report_of_stale_attempt_is_refused(job: JobStory, rank_zero: Worker) -> None:
    assert rank_zero.token
    job.oom_kill(1)
    job.wait(lambda job: job.attempt == 2, "attempt 2")

    refusal = rank_zero.saves(5)

    assert (refusal.status, refusal.body["reason"]) == (409, "StaleAttempt")
    assert refusal.body["kind"] == "Status"
    assert not job.wait_phase("Running", attempt=2).checkpoints


def test_report_for_another_job_is_refused(story: Story, rank_zero: Worker) -> None:
    other = story.apply("other", nodes=1)
    other.wait_phase("Running")
    path = other.worker().pod.env["STARGATE_REPORT_URL"].partition("/apis")[2]

    refusal = rank_zero.post(b'{"epoch": 99}', path=f"/apis{path}")

    assert refusal.status == 403
    assert "other" in refusal.message
    assert not other.now.status.get("progress")


def test_report_without_valid_token_is_refused(story: Story, rank_zero: Worker) -> None:
    for token, words in (
        ("", "Authorization: Bearer"),
        ("nonsense", "stargate.dev"),
        (
            Worker(story.api, rank_zero.pod, audience="https://kubernetes.default.svc").token,
            "audience",
        ),
    ):
        refusal = rank_zero.post(b"{}", token=token)
        assert refusal.status == 401
        assert words in refusal.message
        assert len(token) < 10 or token not in refusal.message


BAD = {
    "no JSON": (b"{", 400, ""),
    "an array": (b"[]", 400, ""),
    "an unknown field": (b'{"epcoh": 3}', 400, "epcoh"),
    "a negative epoch": (b'{"epoch": -1}', 400, "epoch"),
    "an epoch beyond the last": (b'{"epoch": 101}', 400, "epoch"),
    "an epoch in words": (b'{"epoch": "ten"}', 400, "epoch"),
    "a metric without a value": (b'{"metrics": [{"name": "loss"}]}', 400, "metrics[0]"),
    "NaN": (b'{"metrics": [{"name": "loss", "value": NaN}]}', 400, "metrics"),
    "a checkpoint without a state": (
        b'{"checkpoint": {"epoch": 1, "uri": "s3://b/1"}}',
        400,
        "checkpoint",
    ),
    "a checkpoint of no known state": (
        b'{"checkpoint": {"epoch": 1, "uri": "s3://b/1", "state": "Fine"}}',
        400,
        "checkpoint.state",
    ),
    "a checkpoint elsewhere": (
        b'{"checkpoint": {"epoch": 1, "uri": "s3://elsewhere/1", "state": "Complete"}}',
        400,
        "checkpoint.uri",
    ),
    "an unknown damaged checkpoint": (
        b'{"checkpoint": {"epoch": 1, "uri": "s3://b/1", "state": "Damaged"}}',
        400,
        "checkpoint.uri",
    ),
    "more than 64 KiB": (b'{"step": 1' + b" " * 65536 + b"}", 413, ""),
}


def test_refusal_of_invalid_report_names_the_field(rank_zero: Worker) -> None:
    for what, (body, status, field) in BAD.items():
        refusal = rank_zero.post(body)
        assert (refusal.status, refusal.field) == (status, field), (what, refusal.body)
        assert refusal.body["kind"] == "Status"
        assert not field or field in refusal.message
    assert rank_zero.report(epoch=1).status == 200, "a bad report disturbed the rank"


def test_report_with_wrong_type_or_path_is_refused(rank_zero: Worker) -> None:
    assert rank_zero.post(json.dumps({"epoch": 1}).encode(), content="text/plain").status == 415
    assert rank_zero.post(b"{}", path="/apis/elsewhere").status == 404


def test_warm_start_uses_the_stated_checkpoint(story: Story) -> None:
    job = story.apply(nodes=2, checkpoint={"restoreFrom": "s3://older/run/epoch-30", "retain": 3})
    running = job.wait_phase("Running")

    assert running.restored_from == {"uri": "s3://older/run/epoch-30"}
    assert job.worker().pod.env["STARGATE_RESUME_URI"] == "s3://older/run/epoch-30"


def test_next_gang_receives_a_renewed_ca(story: Story, tmp_path: Path) -> None:
    bundle = story.operator.certificates.ca
    before = bundle.read_text()
    renewed = issue(tmp_path).ca.read_text() + before
    bundle.write_text(renewed)
    try:
        job = story.apply(nodes=1)
        job.wait_phase("Running")
    finally:
        bundle.write_text(before)
    (worker,) = story.pod("job-1-0")["spec"]["containers"]
    assert {"name": "STARGATE_REPORT_CA", "value": renewed} in worker["env"]
