"""Failures of a rank: its exit code and its last log line."""

import shutil
import signal
import time
from pathlib import Path

from tests.trainer.conftest import MakeGang
from tests.trainer.gang import Attempt, Gang
from tests.trainer.sink import Sink

DONE, CHECKPOINT_UNUSABLE, DATASET_UNUSABLE, NO_RENDEZVOUS = 0, 65, 66, 69
PEER_LOST, MISCONFIGURED, STOPPED = 75, 78, 143


def alone(**spec: int) -> dict[str, int | dict[str, int]]:
    """A gang of one rank."""
    allocation = {"nodes": 1, "gpuEquivalentsPerNode": 1, "memoryGbPerNode": 1}
    return {"epochs": 2, "checkpointIntervalEpochs": 1, "resourceAllocation": allocation, **spec}


def output(attempt: Attempt) -> str:
    return attempt.ranks[0].output


def test_unknown_strategy_is_refused_before_torch_is_imported(gang: MakeGang) -> None:
    began = time.monotonic()
    attempt = gang(**alone(), optimizationStrategy="lion").start()
    assert attempt.wait() == [MISCONFIGURED]
    assert "it knows adam, adamw, distributed_adam_optimized" in attempt.ranks[0].last_line
    assert time.monotonic() - began < 10


def test_missing_data_set_is_named(gang: MakeGang) -> None:
    attempt = gang(**alone(), datasetPath="stargate_storage://datasets/none").start()
    assert attempt.wait() == [DATASET_UNUSABLE]
    assert "/datasets/none: there is no such folder" in attempt.ranks[0].last_line


def test_absent_rank_is_named(gang: MakeGang) -> None:
    attempt = gang(epochs=1).start(TRAINER_RENDEZVOUS_SECONDS="15")
    attempt.ranks[3].process.kill()
    codes = attempt.wait()
    assert codes[:3] == [NO_RENDEZVOUS] * 3
    assert "of 4 ranks these did not join: 3" in attempt.ranks[0].last_line


def test_unresolvable_address_is_named_after_a_wait(gang: MakeGang) -> None:
    attempt = gang(epochs=1).start(
        STARGATE_MASTER_ADDR="nowhere.invalid", TRAINER_RENDEZVOUS_SECONDS="8"
    )
    assert attempt.wait() == [NO_RENDEZVOUS] * 4
    assert "within 8 s rank 0 at nowhere.invalid:" in attempt.ranks[1].last_line
    assert "of 4 ranks these did not join: 1, 2, 3" in attempt.ranks[0].last_line


def test_waiting_rank_can_be_stopped(gang: MakeGang) -> None:
    attempt = gang(epochs=1).start()
    attempt.ranks[3].process.kill()
    time.sleep(8)
    for rank in attempt.ranks[:3]:
        rank.send(signal.SIGTERM)
    assert attempt.wait(15)[:3] == [STOPPED] * 3


def test_stuck_rank_ends_the_gang(gang: MakeGang) -> None:
    attempt = gang(epochs=50).start(TRAINER_COLLECTIVE_SECONDS="5")
    attempt.passes(5)
    attempt.ranks[1].send(signal.SIGSTOP)
    try:
        assert [attempt.ranks[rank].wait(30) for rank in (0, 2, 3)] == [PEER_LOST] * 3
        assert "another rank is gone or stuck" in attempt.ranks[0].last_line
    finally:
        attempt.ranks[1].send(signal.SIGCONT)


def test_training_goes_on_while_the_operator_is_away(gang: MakeGang, sink: Sink) -> None:
    attempt = gang(**alone(epochs=8)).start(TRAINER_STEP_SECONDS="0.02")
    attempt.until(lambda: bool(sink.complete), "the first checkpoint")
    sink.away = True
    attempt.until(lambda: "epoch 5 of 8" in output(attempt), "epoch 5")
    sink.away = False
    assert attempt.wait() == [DONE]
    assert [each["epoch"] for each in sink.complete] == list(range(1, 9))


def test_flipped_byte_is_reported_as_damage(gang: MakeGang, sink: Sink) -> None:
    damaged = gang(**alone())
    assert damaged.start().wait() == [DONE]
    (shard,) = damaged.storage.glob("checkpoints/*/*/attempt-1/epoch-2/shard-00000-of-00001")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)

    attempt = damaged.start(sink.complete[-1])

    assert attempt.wait() == [CHECKPOINT_UNUSABLE]
    assert "another sha256" in attempt.ranks[0].last_line
    assert [each["epoch"] for each in sink.damaged] == [2]


def test_checkpoint_of_another_model_is_refused(gang: MakeGang, sink: Sink) -> None:
    job = gang(**alone())
    assert job.start().wait() == [DONE]
    attempt = job.start(sink.complete[-1], TRAINER_WIDTH="16")
    assert attempt.wait() == [CHECKPOINT_UNUSABLE]
    assert "another TRAINER_WIDTH" in attempt.ranks[0].last_line


def test_warm_start_uses_another_job_s_weights(gang: MakeGang, sink: Sink) -> None:
    first = gang(**alone(epochs=4))
    assert first.start().wait() == [DONE]
    first_losses = losses(sink)
    place = dict(sink.complete[-1])

    second = gang(**alone(epochs=2))
    copy_checkpoints(first, second.storage)
    attempt = second.start(place | {"epoch": 0})

    assert attempt.wait() == [DONE]
    assert "starts from the weights in" in output(attempt)
    assert losses(sink)[0] < first_losses[0]
    assert sink.complete[-1]["epoch"] == 2


def test_loss_falls_from_epoch_to_epoch(gang: MakeGang, sink: Sink) -> None:
    assert gang(**alone(epochs=3)).start().wait() == [DONE]
    found = losses(sink)
    assert found[-1] < 0.8 * found[0]
    assert set(sink.heard[-1].metrics) == {
        "loss",
        "validationLoss",
        "perplexity",
        "samplesPerSecond",
    }


def losses(sink: Sink) -> list[float]:
    """The reported losses, in the order of the epochs."""
    found = [heard.metrics["loss"] for heard in sink.heard if "loss" in heard.metrics]
    return list(dict.fromkeys(found))


def copy_checkpoints(gang: Gang, into: Path) -> None:
    shutil.copytree(gang.storage / "checkpoints", into / "checkpoints")
