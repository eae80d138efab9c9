"""The simulated kubelet's report of a container that has ended."""

from datetime import UTC, datetime

from stargate_lab.workload.kubelet import exit_patch
from stargate_lab.workload.training import Exit
from stargate_operator.model.pod import Pod

NOW = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
STARTED = datetime(2026, 3, 1, 11, 0, 0, tzinfo=UTC).timestamp()


def pod() -> Pod:
    return Pod(
        name="job-1-2",
        namespace="train",
        uid="uid-2",
        resource_version=1,
        job_uid="job-uid",
        job_name="job",
        attempt=1,
        rank=2,
        phase="Running",
        started_at=STARTED,
    )


def test_killed_container_is_reported_like_a_kubelet_does() -> None:
    status = exit_patch(pod(), Exit(137, "Error"), "trainer:1", NOW)["status"]

    assert status["phase"] == "Failed"
    assert status["containerStatuses"][0]["state"]["terminated"] == {
        "exitCode": 137,
        "reason": "Error",
        "startedAt": "2026-03-01T11:00:00Z",
        "finishedAt": "2026-03-01T12:00:05Z",
    }


def test_a_finished_pod_is_not_ready() -> None:
    status = exit_patch(pod(), Exit(), "trainer:1", NOW)["status"]

    ready = next(each for each in status["conditions"] if each["type"] == "Ready")
    assert (status["phase"], ready["status"], ready["reason"]) == (
        "Succeeded",
        "False",
        "PodCompleted",
    )


def test_exit_is_reported_for_the_uid_of_pod() -> None:
    assert exit_patch(pod(), Exit(), "trainer:1", NOW)["metadata"] == {"uid": "uid-2"}
