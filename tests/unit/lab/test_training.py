"""A simulated trainer's parameters from its pod, and the numbers that follow from them."""

import pytest

from stargate_lab.workload.training import Behaviour, Exit, Fault, Json, WorkerEnvironment, progress


def pod(**env: str) -> Json:
    told = {
        "STARGATE_REPORT_URL": "https://operator:8443/report",
        "STARGATE_REPORT_CA": "PEM",
        "STARGATE_CHECKPOINT_URI": "store://job/attempt-1",
        "STARGATE_EPOCHS": "12",
        "STARGATE_CHECKPOINT_INTERVAL_EPOCHS": "5",
        "STARGATE_WORLD_SIZE": "4",
        **env,
    }
    entries = [{"name": name, "value": value} for name, value in told.items()]
    secret = {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
    return {"spec": {"containers": [{"image": "trainer:1", "env": [*entries, secret]}]}}


def test_a_first_attempt_trains_all_epochs() -> None:
    assert list(WorkerEnvironment.of(pod()).epochs_to_train) == list(range(1, 13))


def test_later_attempt_continues_from_the_resume_point() -> None:
    environment = WorkerEnvironment.of(pod(STARGATE_RESUME_EPOCH="10"))

    assert list(environment.epochs_to_train) == [11, 12]


def test_trainer_saves_at_interval_and_at_end() -> None:
    environment = WorkerEnvironment.of(pod())

    assert [epoch for epoch in environment.epochs_to_train if environment.saves_after(epoch)] == [
        5,
        10,
        12,
    ]


def test_checkpoint_is_in_folder_of_its_attempt() -> None:
    checkpoint = WorkerEnvironment.of(pod()).checkpoint(5, "Complete", 7)

    assert checkpoint == {
        "epoch": 5,
        "uri": "store://job/attempt-1/epoch-5",
        "state": "Complete",
        "sizeBytes": 7,
    }


def test_report_has_epoch_step_and_falling_loss() -> None:
    early, late = progress(1), progress(50)

    assert (late["epoch"], late["step"]) == (50, 5000)
    assert late["metrics"][0]["value"] < early["metrics"][0]["value"]


@pytest.mark.parametrize(("size", "victim"), [(5000, 1742), (200, 142), (20, 2), (1, 0)])
def test_the_victim_is_the_rank_modulo_the_gang(size: int, victim: int) -> None:
    assert Fault(epoch=42, rank=1742).victim(size) == victim


def test_bystanders_are_other_ranks_than_the_victim() -> None:
    assert Fault(epoch=1, rank=3, echoes=2).bystanders(4) == [0, 1]
    assert Fault(epoch=1, rank=0, echoes=2).bystanders(1) == []


def test_a_fault_is_due_once() -> None:
    fault = Fault(epoch=42, rank=1)
    behaviour = Behaviour(faults=(fault,))

    assert behaviour.fault(1, 42) == fault
    assert behaviour.fault(1, 41) is None
    assert behaviour.fault(2, 42) is None


@pytest.mark.parametrize(
    "fault",
    [
        Fault(epoch=42, rank=1742),
        Fault(epoch=3, rank=0, attempt=2, exit=Exit(137, "OOMKilled"), echoes=5),
    ],
)
def test_a_fault_survives_the_command_line(fault: Fault) -> None:
    assert Fault.parse(str(fault)) == fault


def test_a_fault_with_a_misspelt_part_is_refused() -> None:
    with pytest.raises(ValueError, match="rnak"):
        Fault.parse("epoch=1,rank=2,rnak=3")


def test_only_exit_0_is_success() -> None:
    assert [Exit(code).phase for code in (0, 1, 137)] == ["Succeeded", "Failed", "Failed"]
