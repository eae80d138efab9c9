"""Every fault ends in the model that would have come out without it."""

import time

import pytest

from tests.e2e import recovery
from tests.e2e.faults import FAULTS, OUT_OF_MEMORY, Fault
from tests.e2e.site import Site, ends, trains_past
from tests.e2e.training import PLAIN, TRAININGS, Training
from tests.recorder.history import Job, Json

RANKS = 4
VICTIM = 2


def ending(job: Job, attempt: int = 1) -> Json:
    return next(each for each in job.attempts if each["number"] == attempt)


@pytest.mark.parametrize("training", TRAININGS, ids=lambda training: training.name)
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_rank_fails(site: Site, fault: Fault, training: Training) -> None:
    job = site.train(training)
    trains_past(job, training.interval)
    victim = job.rank(VICTIM)
    saved = job.now.newest_complete
    assert saved is not None

    struck = fault.strike(site, job, VICTIM)
    again = job.wait_phase("Running", attempt=2, seconds=90)

    told = ending(again)
    assert (told["cause"], told.get("rank")) == (fault.cause, VICTIM)
    assert told.get("exitCode") == fault.exit_code
    assert fault.says in told["message"]
    if fault.exit_code is not None:
        assert told["node"] == victim.node
    assert again.restored_from is not None
    assert again.restored_from["epoch"] >= saved["epoch"]
    done = ends(job)
    assert done.restarts == 1
    assert training.result(site.checkpoints(job)) == training.expected(RANKS)
    recovery.record(recovery.measured(job, struck, fault=fault.title, training=training.name))


def test_the_last_words_of_a_rank_that_ran_out_of_memory(site: Site) -> None:
    job = site.train(PLAIN)
    trains_past(job, PLAIN.interval)
    victim = job.rank(VICTIM)

    OUT_OF_MEMORY.strike(site, job, VICTIM)
    again = job.wait_phase("Running", attempt=2, seconds=90)

    assert "ordered: memory" in ending(again)["message"]
    assert "ordered: memory" in site.logs(victim.name)


def test_a_worker_that_ignores_sigterm_delays_nothing_beyond_its_grace(site: Site) -> None:
    grace = 5
    template = PLAIN.template(PLAIN_DEAF="1") | {"terminationGracePeriodSeconds": grace}
    job = site.train(PLAIN, template=template)
    trains_past(job, PLAIN.interval)

    asked = time.monotonic()
    job.suspend()
    job.wait_condition("Suspended", "True", "Suspended", seconds=90)

    assert grace <= time.monotonic() - asked < grace + 5
