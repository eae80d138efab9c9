"""One function a fault: it befalls one rank of a job that trains, whatever that job trains.

Each returns the moment of the blow, in seconds of the epoch; what has to be mended afterwards is
mended by the `mend` of its description.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.e2e.nodes import Node
from tests.e2e.site import Site, eventually
from tests.integration.story import JobStory

Blow = Callable[[Site, JobStory, int], float]


@dataclass(frozen=True)
class Fault:
    """`cause` and `exit_code` are what the attempt must say of it."""

    title: str
    strike: Blow
    cause: str
    exit_code: int | None = None
    says: str = ""
    """A part of the attempt's message."""

    def __str__(self) -> str:
        return self.title.replace(" ", "-")


def run_out_of_memory(site: Site, job: JobStory, rank: int) -> float:
    """Of its own limit: the kernel kills it."""
    site.order(job.rank(rank), "memory")
    return time.time()


def exit_with_an_error(site: Site, job: JobStory, rank: int) -> float:
    site.order(job.rank(rank), "exit")
    return time.time()


def kill_the_process(site: Site, job: JobStory, rank: int) -> float:
    pod = job.rank(rank)
    site.node(pod).signal(pod.raw, "KILL")
    return time.time()


def stop_the_process(site: Site, job: JobStory, rank: int) -> float:
    """It lives, holds its connections, and does nothing."""
    pod = job.rank(rank)
    site.node(pod).signal(pod.raw, "STOP")
    return time.time()


def delete_the_pod(site: Site, job: JobStory, rank: int) -> float:
    """By hand."""
    struck = time.time()
    site.api.delete(f"{site.core}/pods/{job.rank(rank).name}")
    return struck


def kill_the_node(site: Site, job: JobStory, rank: int) -> float:
    site.node(job.rank(rank)).kill()
    return time.time()


def mend_nodes(site: Site) -> None:
    """Every node runs and is ready; those that were killed start anew."""
    for node in site.workers():
        node.start()
        _await_ready(node)
        node.advertise()


def _await_ready(node: Node) -> None:
    eventually(lambda: node.ready, f"{node.name} ready again")


OUT_OF_MEMORY = Fault("out of memory", run_out_of_memory, "OOMKilled", 137, "out of memory")
EXITS = Fault("exits with 1", exit_with_an_error, "Exit", 1, "exited with 1")
KILLED = Fault("killed with SIGKILL", kill_the_process, "Signal", 137, "SIGKILL")
DELETED = Fault("pod deleted by hand", delete_the_pod, "Deleted")
FAULTS = (OUT_OF_MEMORY, EXITS, KILLED, DELETED)
