"""The checker finds each invariant that a test breaks on purpose."""

from collections.abc import Callable
from typing import NamedTuple

import pytest

from tests.kit.recorder import check, report
from tests.kit.recorder.history import Json
from tests.unit.recorder.stage import Stage

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOlsi.c2lnbmF0dXJl"
COMPLETE = {"epoch": 10, "uri": "s3://b/10", "state": "Complete"}
OLDER = {"epoch": 5, "uri": "s3://b/5", "state": "Complete"}
RESUME = {"STARGATE_RESUME_URI": "s3://b/10"}
ONE_EPOCH = {"epoch": 0, "epochs": 1, "totalSteps": 1000}
BOTH = {"created": 2, "scheduled": 2, "running": 2, "ready": 2}


class Broken(NamedTuple):
    invariant: int
    history: Callable[[], Stage]
    words: str


def started() -> Stage:
    return Stage().job(attempt=1).running(0, 1).told(BOTH)


def at_step(step: int, uri: str = "") -> Json:
    return {"epoch": 0, "step": step, "uri": f"s3://b/{step}{uri}", "state": "Complete"}


def budget(*versions: tuple[Json | None, int]) -> Stage:
    """Statuses with this newest checkpoint, and so many failures that count."""
    stage = Stage()
    for saved, failures in versions:
        history = [saved] if saved else []
        stage.job(checkpoints={"history": history}, failuresSinceCheckpoint=failures)
    return stage


def resumed(uri: str, epoch: int, **step: int) -> Stage:
    """Attempt 2, its pods about to be made."""
    saved = {"history": [COMPLETE, OLDER]}
    stage = Stage().job(checkpoints=saved, attempt=1, attempts=[{"number": 1, "worldSize": 2}])
    return stage.job(
        checkpoints=saved | {"restoredFrom": {"uri": uri, "epoch": epoch, **step}},
        attempt=2,
        restarts=1,
        attempts=[
            {"number": 1, "worldSize": 2, "cause": "Exit"},
            {"number": 2, "worldSize": 2, "class": "c/u/1"},
        ],
    )


ENDED_BY_RANK_1 = [
    {"number": 1, "worldSize": 2, "cause": "Deleted", "rank": 1},
    {"number": 2, "worldSize": 2},
]

BROKEN = {
    "two live pods of a rank": Broken(
        1,
        lambda: Stage().job().pod(1).pod(1, suffix="-twin"),
        "job-1-1-twin and job-1-1 are both live",
    ),
    "a rank comes back while its successor lives": Broken(
        1,
        lambda: Stage().job().pod(0, phase="Failed").pod(0, 2).pod(0, 1, "Running"),
        "job-1-0 and job-2-0 are both live",
    ),
    "a rank that ran is made again in its attempt": Broken(
        1,
        lambda: started().gone("job-1-1").pod(1, suffix="-twin"),
        "job-1-1-twin is made again, and the first one has run",
    ),
    "a pod is made before the status says so": Broken(
        2, lambda: started().pod(0, 2), "job-2-0 was created in attempt 1"
    ),
    "a pod is made long after its attempt": Broken(
        2,
        lambda: started().told({}, attempt=2, phase="Restarting").wait(31).pod(2),
        "job-1-2 was created in attempt 2",
    ),
    "a pod is deleted before the status says so": Broken(
        2,
        lambda: started().asked("a", "pods", verb="delete", name="job-1-1").wait(5),
        "job-1-1 was deleted, and no status says that its attempt is over",
    ),
    "a rank that the status calls succeeded ends the attempt": Broken(
        7,
        lambda: (
            started()
            .pod(1, phase="Succeeded", node="node")
            .job(attempts=[{"number": 1, "worldSize": 2, "succeededRanks": "1"}])
            .gone("job-1-1")
            .job(attempt=2, attempts=ENDED_BY_RANK_1)
        ),
        "attempt 1 ended by rank 1, which had succeeded",
    ),
    "a rank whose pod shows its success ends the attempt": Broken(
        7,
        lambda: (
            started()
            .pod(1, phase="Succeeded", node="node")
            .job(attempt=2, attempts=ENDED_BY_RANK_1)
        ),
        "attempt 1 ended by rank 1, which had succeeded",
    ),
    "a pod is deleted without grace on a node that nobody calls lost": Broken(
        2,
        lambda: started().asked("a", "pods", verb="delete", name="job-1-1", grace=0).wait(5),
        "job-1-1 was deleted without grace, and node is not said to be lost",
    ),
    "the next attempt comes too soon": Broken(
        2,
        lambda: started().told({}, attempt=2, phase="Restarting").pod(1, 2),
        "job-2-1 was created while job-1-0",
    ),
    "a pod for a job that is long gone": Broken(
        3, lambda: started().gone().wait(5).pod(1, 2), "after its job went"
    ),
    "a pod for a job that never was": Broken(
        3, lambda: Stage().pod(0, owner="stranger"), "a job that never was"
    ),
    "a pod that outlives its job": Broken(
        3, lambda: started().gone().wait(61), "job-1-0, job-1-1 stayed 61 s"
    ),
    "half a gang waits for ever": Broken(
        4,
        lambda: (
            Stage()
            .job(spec={"scheduling": {"startTimeoutSeconds": 30}})
            .pod(0, node="node")
            .pod(1)
            .wait(51)
        ),
        "partly scheduled for 51 s",
    ),
    "the attempt goes back": Broken(
        5, lambda: Stage().job(attempt=3).job(attempt=2), "the attempt went from 3 to 2"
    ),
    "restarts go back": Broken(
        5, lambda: Stage().job(attempt=3, restarts=2).job(restarts=1), "restarts went from 2 to 1"
    ),
    "a failure counts twice": Broken(
        5,
        lambda: Stage().job(attempt=1).job(attempt=2, restarts=2),
        "restarts went from 0 to 2 within attempt 2",
    ),
    "a suspension counts as a restart": Broken(
        5,
        lambda: (
            Stage()
            .job(attempt=1)
            .job(
                attempt=2,
                restarts=1,
                attempts=[
                    {"number": 1, "worldSize": 2, "cause": "Suspended"},
                    {"number": 2, "worldSize": 2},
                ],
            )
        ),
        "the attempts that failed are []",
    ),
    "a checkpoint is forgotten": Broken(
        5,
        lambda: (
            Stage()
            .job(checkpoints={"history": [COMPLETE, OLDER]})
            .job(checkpoints={"history": [OLDER]})
        ),
        "the newest checkpoint was of epoch 10, and is of epoch 5",
    ),
    "a checkpoint of a later step is forgotten": Broken(
        5,
        lambda: (
            Stage()
            .job(checkpoints={"history": [at_step(300), at_step(200)]})
            .job(checkpoints={"history": [at_step(200)]})
        ),
        "the newest checkpoint was of epoch 0, step 300, and is of epoch 0, step 200",
    ),
    "a save within the epoch refills nothing": Broken(
        5,
        lambda: budget((at_step(200), 2), (at_step(300), 2)),
        "failures that count: 2, though the checkpoint of epoch 0, step 300 is newer",
    ),
    "the first save refills nothing": Broken(
        5,
        lambda: budget((None, 1), (OLDER, 1)),
        "failures that count: 1, though the checkpoint of epoch 5",
    ),
    "the same position refills the budget": Broken(
        5,
        lambda: budget((at_step(300), 2), (at_step(300, "again"), 0)),
        "failures that count: 0 of 2, without a newer checkpoint",
    ),
    "an older checkpoint is forgotten": Broken(
        16,
        lambda: (
            Stage()
            .job(checkpoints={"history": [at_step(300), at_step(200), at_step(100)]})
            .job(checkpoints={"history": [at_step(400), at_step(300), at_step(100)]})
        ),
        "the checkpoint of epoch 0, step 200 left the list for 2 newer ones",
    ),
    "a list that does not begin with the newest": Broken(
        16,
        lambda: Stage().job().job(checkpoints={"history": [at_step(200), at_step(300)]}),
        "does not begin with the newest: epoch 0, step 200; epoch 0, step 300",
    ),
    "all checkpoints are forgotten": Broken(
        5,
        lambda: Stage().job(checkpoints={"history": [OLDER]}).job(checkpoints={}),
        "the newest checkpoint was of epoch 5, and none is left",
    ),
    "a resume from what is not complete": Broken(
        6, lambda: resumed("s3://b/15", 15), "resumes from s3://b/15"
    ),
    "a resume from an older checkpoint": Broken(
        6, lambda: resumed("s3://b/5", 5), "resumes from s3://b/5, but the newest"
    ),
    "a resume from the wrong epoch": Broken(
        6,
        lambda: resumed("s3://b/10", 11),
        "resumes from epoch 11, the checkpoint is of epoch 10",
    ),
    "a resume from the wrong step": Broken(
        6,
        lambda: resumed("s3://b/10", 10, step=300),
        "resumes from epoch 10, step 300, the checkpoint is of epoch 10",
    ),
    "a pod that is told of no checkpoint": Broken(
        6, lambda: resumed("s3://b/10", 10).pod(0, 2), "is told to resume from None"
    ),
    "a pod that is told the wrong epoch": Broken(
        6,
        lambda: resumed("s3://b/10", 10).pod(0, 2, env=RESUME | {"STARGATE_RESUME_EPOCH": "9"}),
        "is told epoch 9",
    ),
    "a pod that is told a wrong step": Broken(
        6,
        lambda: resumed("s3://b/10", 10).pod(
            0, 2, env=RESUME | {"STARGATE_RESUME_EPOCH": "10", "STARGATE_RESUME_STEP": "300"}
        ),
        "is told step 300",
    ),
    "a finished job goes on": Broken(
        7,
        lambda: Stage().job(phase="Failed").job(phase="Restarting"),
        "Failed turned into Restarting",
    ),
    "a finished job gets a pod": Broken(
        7, lambda: Stage().job(phase="Succeeded").pod(0), "created though the job is Succeeded"
    ),
    "counts that never were": Broken(
        8,
        lambda: Stage().job().pod(0).pod(1).told({"created": 1, "ready": 1}, phase="Starting"),
        "and were",
    ),
    "counts of long ago": Broken(
        8,
        lambda: (
            Stage()
            .job()
            .pod(0)
            .pod(1)
            .wait(3)
            .running(0, 1)
            .wait(3)
            .told({"created": 2}, phase="Starting")
        ),
        "workers are said to be",
    ),
    "Running before every rank runs": Broken(
        8,
        lambda: (
            Stage()
            .job()
            .running(0)
            .pod(1)
            .told({"created": 2, "scheduled": 1, "running": 1, "ready": 1})
        ),
        "of 2 ranks 1 run and 0 have succeeded",
    ),
    "Succeeded before every rank has": Broken(
        8,
        lambda: (
            started()
            .pod(0, phase="Succeeded", node="node")
            .told({**BOTH, "running": 1, "ready": 1, "succeeded": 1}, phase="Succeeded")
        ),
        "of 2 ranks 1 have succeeded",
    ),
    "a status of another world size": Broken(
        8,
        lambda: Stage().job(attempts=[{"number": 1, "worldSize": 3}], workers={"desired": 2}),
        "3 ranks",
    ),
    "a death that nobody notices": Broken(
        8, lambda: started().pod(1, phase="Failed", node="node").wait(5), "the status says"
    ),
    "a job that gets no status": Broken(8, lambda: Stage().job().wait(11), "job has no status"),
    "a percentage that is not true": Broken(
        8,
        lambda: Stage().job(progress={"epoch": 1, "epochs": 3, "percent": 34.0}),
        "34.0 % is said of epoch 1 of 3 epochs",
    ),
    "a percentage of epochs though the steps are known": Broken(
        8,
        lambda: Stage().job(progress=ONE_EPOCH | {"step": 250, "percent": 0.0}),
        "0.0 % is said of epoch 0, step 250 of 1 epochs and 1000 steps",
    ),
    "an end that is none": Broken(
        8,
        lambda: Stage().job(progress=ONE_EPOCH | {"step": 1000, "percent": 100.0}),
        "100.0 % is said of epoch 0, step 1000",
    ),
    "the old leader writes on": Broken(
        10,
        lambda: (
            Stage()
            .asked("a", "leases")
            .asked("a", "stargatejobs/status")
            .asked("b", "leases")
            .asked("a", "stargatejobs/status")
        ),
        "a wrote stargatejobs/status job while b led",
    ),
    "a write into a foreign namespace": Broken(
        13,
        lambda: Stage().job().asked("a", "pods", verb="delete", namespace="kube-system"),
        "a: delete pods kube-system/job",
    ),
    "a cluster-wide write": Broken(
        13, lambda: Stage().job().asked("a", "nodes", verb="patch", namespace=""), "patch nodes"
    ),
    "a token in a status": Broken(
        13,
        lambda: Stage().job(attempts=[{"number": 1, "worldSize": 2, "message": TOKEN}]),
        "a secret",
    ),
    "a token in an event": Broken(13, lambda: Stage().job().event(f"Bearer {TOKEN}"), "a secret"),
    "a gap": Broken(0, lambda: Stage().gap(), "lost Pod writes"),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=list(BROKEN))
def test_breach_is_found_and_reported(broken: Broken) -> None:
    history = broken.history().history

    breaches = [each for each in check(history) if each.invariant == broken.invariant]

    assert breaches
    told = report(history, breaches)
    assert broken.words in told
    assert f"invariant {broken.invariant}" in told or broken.invariant == 0


def whole_life() -> Stage:
    """Start, a checkpoint, a failure, a restart from it, success, deletion."""
    saved = {"history": [COMPLETE]}
    stage = Stage().job().told({}, phase="Starting").pod(0).pod(1).running(0, 1).told(BOTH)
    stage.job(checkpoints=saved)
    stage.pod(1, phase="Failed", node="node").wait(1)
    stage.job(
        phase="Restarting",
        attempt=2,
        restarts=1,
        workers={"desired": 2},
        attempts=[{"number": 1, "worldSize": 2, "cause": "Exit"}, {"number": 2, "worldSize": 2}],
    )
    stage.gone("job-1-0")
    point = {"uri": "s3://b/10", "epoch": 10}
    stage.job(
        phase="Starting",
        checkpoints=saved | {"restoredFrom": point},
        attempts=[
            {"number": 1, "worldSize": 2, "cause": "Exit"},
            {"number": 2, "worldSize": 2, "class": "c/u/1"},
        ],
    )
    env = {"STARGATE_RESUME_URI": "s3://b/10", "STARGATE_RESUME_EPOCH": "10"}
    stage.pod(0, 2, env=env).pod(1, 2, env=env).running(0, 1, attempt=2)
    stage.job(phase="Running", workers={"desired": 2, **BOTH})
    stage.pod(0, 2, "Succeeded", "node").pod(1, 2, "Succeeded", "node")
    stage.job(
        phase="Succeeded", workers={"desired": 2, "created": 2, "scheduled": 2, "succeeded": 2}
    )
    stage.gone().gone("job-1-1").gone("job-2-0").gone("job-2-1")
    return stage.event("all 2 ranks succeeded").wait(70)


def test_a_good_life_breaches_nothing() -> None:
    history = whole_life().history

    assert not check(history), report(history, check(history))


def damaged() -> Stage:
    return (
        Stage()
        .job(checkpoints={"history": [COMPLETE, OLDER]})
        .job(checkpoints={"history": [COMPLETE | {"state": "Damaged"}, OLDER]})
    )


def yields() -> Stage:
    stage = Stage().job(spec={"scheduling": {"startTimeoutSeconds": 30}})
    return stage.pod(0, node="node").pod(1).wait(29).pod(1, node="node").wait(100)


def given_up(where: str) -> Stage:
    """The status says so of the node first, or the job is being deleted anyway."""
    stage = started()
    stage.told({}, attempt=2, phase="Restarting")
    if where == "listed":
        stage.job(avoidedNodes=[{"name": "node", "until": "2026-01-01T00:00:00Z"}])
    else:
        stage.gone()
    return stage.asked("a", "pods", verb="delete", name="job-1-1", grace=0)


def taken_over() -> Stage:
    stage = Stage().asked("a", "leases").asked("a", "stargatejobs/status").asked("a", "leases")
    return stage.asked("b", "leases").asked("b", "stargatejobs/status")


ALLOWED = {
    "a damaged checkpoint lets the epoch go back": (5, damaged),
    "a save within the epoch that refills the budget": (
        5,
        lambda: budget((at_step(200), 2), (at_step(300), 0)),
    ),
    "an epoch without a step after one with a step": (
        5,
        lambda: budget((at_step(200), 2), (OLDER, 0)),
    ),
    "a save that refills nothing because it is no progress": (
        5,
        lambda: budget((at_step(300), 2), (at_step(300, "again"), 2)),
    ),
    "a checkpoint that makes room for newer ones": (
        16,
        lambda: (
            Stage()
            .job(checkpoints={"history": [at_step(300), at_step(200), at_step(100)]})
            .job(checkpoints={"history": [at_step(400), at_step(300), at_step(200)]})
        ),
    ),
    "almost the end": (
        8,
        lambda: Stage().job(progress=ONE_EPOCH | {"step": 1000, "percent": 99.99}),
    ),
    "a gang that gets whole in time": (4, yields),
    "a pod given up with a node that is listed as lost": (2, lambda: given_up("listed")),
    "a pod given up whose job is gone": (2, lambda: given_up("gone")),
    "a new leader": (10, taken_over),
    "a fenced write of the old leader": (
        10,
        lambda: taken_over().asked("a", "stargatejobs/status", code=409),
    ),
    "its own lease and token reviews": (
        13,
        lambda: (
            Stage()
            .asked("a", "leases", namespace="stargate-system")
            .asked("a", "tokenreviews", verb="create", namespace="")
        ),
    ),
    "a count that was true a moment ago": (
        8,
        lambda: Stage().job().pod(0).pod(1).running(0).told({"created": 2}, phase="Starting"),
    ),
    "silence while the operator is down": (
        8,
        lambda: started().pod(1, phase="Failed", node="node").interrupted(30),
    ),
    "a stranger's pod": (1, lambda: Stage().job().pod(0, owner="").pod(0, 2, owner="")),
}


@pytest.mark.parametrize(("invariant", "history"), ALLOWED.values(), ids=list(ALLOWED))
def test_allowed_history_is_no_breach(invariant: int, history: Callable[[], Stage]) -> None:
    assert not [each.what for each in check(history().history) if each.invariant == invariant]


def test_a_report_shows_the_writes_around_the_breach() -> None:
    history = BROKEN["the next attempt comes too soon"].history().history

    told = report(history, check(history)).splitlines()

    marked = [line for line in told if line.startswith("  >")]
    assert marked
    assert "ADDED    Pod job-2-1: attempt 2 rank 1 Pending" in marked[0]
    assert any("ADDED    Pod job-1-0: attempt 1 rank 0 Running node ready" in line for line in told)


def test_writes_of_two_watches_are_sorted_by_version() -> None:
    history = started().history
    late = history.writes.pop(1)
    history.add(late)

    assert [write.version for write in history.writes] == [1, 2, 3, 4]
