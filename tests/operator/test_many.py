"""Many jobs at once: no job waits for another, and each status stays correct."""

from concurrent.futures import ThreadPoolExecutor

from tests.kit.recorder.history import Job
from tests.kit.story import JobStory, Story

JOBS = 50


def train(job: JobStory) -> None:
    worker = job.worker()
    for epoch in (25, 50, 75, 100):
        answer = worker.saves(epoch)
        assert answer.status == 200, answer

        def has_reached(job: Job, epoch: int = epoch) -> bool:
            return bool((job.status.get("progress") or {}).get("percent") == float(epoch))

        job.wait(has_reached, f"{epoch} %", seconds=30)
    job.finish()


def test_fifty_simultaneous_jobs_all_succeed(story: Story) -> None:
    # two cores start fifty gangs at once and also run the control plane
    story.recorder.history.patience = 4
    with ThreadPoolExecutor(8) as users:
        jobs = list(users.map(lambda number: story.apply(f"job-{number}", nodes=2), range(JOBS)))
        for job in jobs:
            job.wait_phase("Running", seconds=60)
        list(users.map(train, jobs))

    for job in jobs:
        done = job.wait_phase("Succeeded", seconds=30)
        assert (done.attempt, done.restarts) == (1, 0), f"{job.name} was restarted"
        assert done.status["progress"]["percent"] == 100.0
    story.recorder.assert_quiet(2)
