"""A damaged checkpoint is never resumed from."""

from stargate_types.status import Cause, Phase, StargateJobStatus
from tests.kit.builders import (
    checkpoint_report,
    described,
    gang,
    job,
    planned,
    uri,
)

WARM = "s3://elsewhere/epoch-90"


def restored(status: StargateJobStatus) -> int | None:
    assert status.checkpoints is not None
    assert status.checkpoints.restored_from is not None
    return status.checkpoints.restored_from.epoch


def test_damaged_resume_point_falls_back_to_older_one() -> None:
    given = job().running(2).saved(5, 10).restored(10, uri(10))
    report = checkpoint_report(10, "Damaged", attempt=2, place=uri(10))
    plan = planned(given, gang(4, attempt=2), checkpoints=[report])
    assert (plan.phase, plan.reason) == (Phase.RESTARTING, "CheckpointDamaged")
    assert plan.message == f"the checkpoint {uri(10)} is damaged"

    after = given.now(described(given, gang(4, attempt=2), checkpoints=[report]))
    assert after.status.attempts[1].cause is Cause.CHECKPOINT_DAMAGED
    assert (after.status.failures_since_checkpoint, after.status.restarts) == (0, 2)
    assert restored(described(after)) == 5


def test_damage_of_an_older_checkpoint_changes_nothing() -> None:
    given = job().running(2).saved(5, 10).restored(10, uri(10))
    report = checkpoint_report(5, "Damaged", place=uri(5))
    assert planned(given, gang(4, attempt=2), checkpoints=[report]).phase is Phase.RUNNING
    status = described(given, gang(4, attempt=2), checkpoints=[report])
    assert status.checkpoints is not None
    assert [each.state for each in status.checkpoints.history] == ["Complete", "Damaged"]


def test_all_damaged_falls_back_to_the_warm_start() -> None:
    given = job(restore_from=WARM).running(2).saved(5).restored(5, uri(5))
    report = checkpoint_report(5, "Damaged", place=uri(5))
    after = given.now(described(given, gang(4, attempt=2), checkpoints=[report]))
    begun = described(after)
    assert begun.checkpoints is not None
    assert begun.checkpoints.restored_from is not None
    assert begun.checkpoints.restored_from.uri == WARM
    assert begun.attempts[-1].restored_epoch is None


def test_a_damaged_warm_start_fails_the_job() -> None:
    given = job(restore_from=WARM).running().restored(None, WARM)
    report = checkpoint_report(90, "Damaged", place=WARM)
    plan = planned(given, gang(4), checkpoints=[report])
    assert (plan.phase, plan.reason) == (Phase.FAILED, "CheckpointDamaged")
    assert plan.message.startswith("spec.checkpoint.restoreFrom: ")


def test_a_damaged_warm_start_with_checkpoint_restarts() -> None:
    given = job(restore_from=WARM).running().saved(95).restored(None, WARM)
    report = checkpoint_report(90, "Damaged", place=WARM)
    plan = planned(given, gang(4), checkpoints=[report])
    assert plan.phase is Phase.RESTARTING
    after = given.now(described(given, gang(4), checkpoints=[report]))
    assert restored(described(after)) == 95


def test_damage_reported_during_suspension_counts_on_resume() -> None:
    given = job().suspended().saved(5, 10).restored(10, uri(10))
    report = checkpoint_report(10, "Damaged", place=uri(10))
    status = described(given, checkpoints=[report])
    assert status.phase is Phase.SUSPENDED
    resumed = given.now(status).resumed()
    resumed = resumed.now(described(resumed))
    assert restored(described(resumed)) == 5
