"""One function for each fault. It hits one rank of a running job.

Each function causes the fault and returns a function that repairs the cluster. The job recovers by
itself.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.e2e.nodes import DEVICES, Node
from tests.e2e.site import Site, eventually
from tests.kit.story import JobStory

Mend = Callable[[], None]
Strike = Callable[[Site, JobStory, int], Mend]


@dataclass(frozen=True)
class Fault:
    """`cause`, `exit_code` and `says`, a part of the message, are the expected ending of the attempt.
    `spec` holds the fields that a job needs so that the operator detects the fault."""

    title: str
    strike: Strike
    cause: str
    exit_code: int | None = None
    says: str = ""
    rank: int = 2
    last_words: str = ""
    """Text at the end of the worker's log."""
    spec: dict[str, Any] = field(default_factory=dict)
    takes_node: bool = False
    concerns_framework: bool = True
    """False if the training framework has no part in it: another training shows the same."""

    def __str__(self) -> str:
        return self.title.replace(" ", "-")


def nothing_to_mend() -> None:
    """Nothing in the cluster is broken."""


def run_out_of_memory(site: Site, job: JobStory, rank: int) -> Mend:
    """Exceed the memory limit, so that the kernel kills the process."""
    site.order(job.rank(rank), "memory")
    return nothing_to_mend


def exit_with_an_error(site: Site, job: JobStory, rank: int) -> Mend:
    site.order(job.rank(rank), "exit")
    return nothing_to_mend


def kill_the_process(site: Site, job: JobStory, rank: int) -> Mend:
    pod = job.rank(rank)
    site.node(pod).signal(pod.raw, "KILL")
    return nothing_to_mend


def tear_a_checkpoint(site: Site, job: JobStory, rank: int) -> Mend:
    """Kill the rank in the middle of writing its shard of the next checkpoint."""
    site.order(job.rank(rank), "tear")
    return nothing_to_mend


def stop_the_process(site: Site, job: JobStory, rank: int) -> Mend:
    """Stop the process. It keeps its connections."""
    pod = job.rank(rank)
    site.node(pod).signal(pod.raw, "STOP")
    return nothing_to_mend


def delete_the_pod(site: Site, job: JobStory, rank: int) -> Mend:
    """Delete the pod as a user does, with a short grace period."""
    site.api.delete(f"{site.core}/pods/{job.rank(rank).name}", {"gracePeriodSeconds": 1})
    return nothing_to_mend


def kill_the_node(site: Site, job: JobStory, rank: int) -> Mend:
    node = site.node(job.rank(rank))
    node.kill()

    def mend() -> None:
        node.start()
        _await_ready(node)
        site.cluster.advertise(node.name, DEVICES)

    return mend


def cut_the_node_off(site: Site, job: JobStory, rank: int) -> Mend:
    """Disconnect the node. Its workers continue."""
    node = site.node(job.rank(rank))
    address = node.cut_off()

    def mend() -> None:
        node.reconnect(address)
        _await_ready(node)

    return mend


def _await_ready(node: Node) -> None:
    eventually(lambda: node.ready, f"{node.name} ready again")


FAULTS = (
    Fault(
        "out of memory",
        run_out_of_memory,
        "OOMKilled",
        137,
        "out of memory",
        last_words="ordered: memory",
        concerns_framework=False,
    ),
    Fault(
        "exits with 1",
        exit_with_an_error,
        "Exit",
        1,
        "exited with 1",
        last_words="ordered: exit",
        concerns_framework=False,
    ),
    Fault("killed with SIGKILL", kill_the_process, "Signal", 137, "SIGKILL"),
    Fault("killed in the middle of a save", tear_a_checkpoint, "Signal", 137, "SIGKILL"),
    Fault(
        "stopped with SIGSTOP",
        stop_the_process,
        "Hang",
        says="no rank has reported for 8 s",
        spec={"hang": {"reportTimeoutSeconds": 8}},
    ),
    Fault("pod deleted by hand", delete_the_pod, "Deleted", concerns_framework=False),
    Fault("node killed", kill_the_node, "NodeLost", says="lost with its node", takes_node=True),
    Fault(
        "node cut off",
        cut_the_node_off,
        "NodeLost",
        says="lost with its node",
        rank=0,
        takes_node=True,
        concerns_framework=False,
    ),
)
