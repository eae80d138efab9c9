"""The faults of ranks, pods and nodes, and of the controllers of Kubernetes."""

from random import Random
from typing import Any

from tests.kit.api_server.answers import Refused
from tests.kit.api_server.resources import NODES
from tests.kit.recorder.history import Pod
from tests.simulation.acts import Act, any_of
from tests.simulation.world import World

_CODES = (1, 1, 2, 137, 139, 143, 255)
_LONG = (1.0, 8.0, 30.0, 90.0)


def _named(pod: Pod) -> str:
    return f"{pod.name} on {pod.node or 'no node'}"


def _runs(pod: Pod) -> bool:
    return pod.phase == "Running"


def break_a_rank(world: World, dice: Random) -> str | None:
    pod = any_of(dice, world.pods(_runs))
    if pod is None:
        return None
    code = dice.choice(_CODES)
    reason = "OOMKilled" if code == 137 and dice.random() < 0.5 else ""
    late = dice.choice((0.0, 0.0, 2.0))
    world.cluster.kubelets.exit(pod.raw, code, reason=reason, late=late)
    return f"{_named(pod)} exits {code} {reason}".rstrip()


def break_several(world: World, dice: Random) -> str | None:
    """At once, as when a collective fails."""
    pods = world.pods(_runs)
    if len(pods) < 2:
        return None
    broken = dice.sample(pods, dice.randint(2, min(6, len(pods))))
    for pod in broken:
        world.cluster.kubelets.exit(pod.raw, dice.choice(_CODES))
    return ", ".join(pod.name for pod in broken)


def delete_a_pod(world: World, dice: Random) -> str | None:
    pod = any_of(dice, world.pods(lambda _: True))
    if pod is None:
        return None
    grace = dice.choice((0, 1, 2, 30, 3600))
    world.cluster.delete_pod(pod, grace=grace)
    return f"{_named(pod)}, {pod.phase}, grace {grace} s"


def evict(world: World, dice: Random) -> str | None:
    """By the kubelet: its node is short of something, or the pod is over its own limit."""
    pod = any_of(dice, world.pods(_runs))
    if pod is None:
        return None
    message = dice.choice(("low on disk", "low on disk", 'Usage of EmptyDir volume "scratch"'))
    world.cluster.kubelets.fail(pod.raw, reason="Evicted", message=message)
    return f"{_named(pod)}: {message}"


def slow_kubelets(world: World, dice: Random) -> str:
    """Containers take long to start or to end for a while."""
    speeds, seconds = world.cluster.kubelets.speeds, dice.choice(_LONG)
    which = dice.choice(("start", "stop"))
    usual, takes = getattr(world.usual_speeds, which), dice.choice((3.0, 20.0, 100.0))
    if which == "stop" and takes == 100.0:
        takes = 10_000.0  # nothing but SIGKILL ends it

    def undo() -> None:
        setattr(speeds, which, usual)

    setattr(speeds, which, lambda: takes)
    world.for_a_while(seconds, undo)
    return f"to {which} takes {takes:g} s, for {seconds:g} s"


def _any_node(world: World, dice: Random) -> str | None:
    """One whose kubelet is heard."""
    names = [node["metadata"]["name"] for node in world.cluster.server.all(NODES)]
    return any_of(dice, [name for name in names if world.cluster.nodes.alive(name)])


def silence_a_node(world: World, dice: Random) -> str | None:
    pods = world.pods(lambda pod: bool(pod.node) and world.cluster.nodes.alive(pod.node))
    pod = any_of(dice, pods)
    if pod is None:
        return None
    world.cluster.nodes.fall_silent(pod.node)
    world.lost(pod.node)
    if dice.random() < 0.5:
        node, seconds = pod.node, dice.choice(_LONG)
        world.later(seconds, lambda: world.return_node(node))
        return f"{node}, for {seconds:g} s"
    return pod.node


def return_a_node(world: World, dice: Random) -> str | None:
    node = any_of(dice, world.silent)
    if node is None:
        return None
    world.return_node(node)
    return node


def remove_a_node(world: World, dice: Random) -> str | None:
    """The cloud takes it away; one of that name comes back later."""
    node = _any_node(world, dice)
    if node is None:
        return None
    world.cluster.nodes.remove(node)
    world.removed.append(node)
    seconds = dice.choice(_LONG)
    world.later(seconds, lambda: world.add_node_again(node))
    return f"{node}, back after {seconds:g} s"


def replace_a_node(world: World, dice: Random) -> str | None:
    """Its machine dies for good, its object stays, and a machine of another name comes."""
    pod = any_of(dice, world.pods(lambda pod: bool(pod.node)))
    if pod is None or not world.cluster.nodes.alive(pod.node):
        return None
    world.cluster.nodes.fall_silent(pod.node)
    number = len(world.cluster.server.all(NODES)) + len(world.removed)
    fresh, seconds = f"node-{number}-new", dice.choice(_LONG)
    world.removed.append(fresh)
    world.later(seconds, lambda: world.add_node_again(fresh))
    return f"{pod.node} by {fresh}, after {seconds:g} s"


_STUCK = (
    ("rejects", "OutOfcpu"),
    ("rejects", "UnexpectedAdmissionError"),
    ("cannot start", "ContainerCreating"),
    ("cannot start", "ImagePullBackOff"),
)


def spoil_a_node(world: World, dice: Random) -> str | None:
    """It is ready, and yet no new pod comes to run on it. Repaired at the latest some time after the
    last fault."""
    node = _any_node(world, dice)
    if node is None or node in world.bad_nodes:
        return None
    world.bad_nodes[node] = kind, reason = dice.choice(_STUCK)
    seconds = dice.choice((8.0, 90.0, 1000.0))
    world.later(seconds, lambda: world.heal_node(node))
    return f"{node} {kind}: {reason}, for {seconds:g} s"


def flap_a_node(world: World, dice: Random) -> str | None:
    """Its kubelet says that it is not ready, and a moment later that it is."""
    node = _any_node(world, dice)
    if node is None:
        return None
    seconds = dice.choice((0.5, 10.0, 40.0))
    world.cluster.nodes.say_not_ready(node)

    def back() -> None:
        if world.cluster.nodes.alive(node):
            world.cluster.nodes.return_(node)

    world.for_a_while(seconds, back)
    return f"{node}, for {seconds:g} s"


def drain_a_node(world: World, dice: Random) -> str | None:
    """Cordoned, its pods evicted through the API, and uncordoned later."""
    pod = any_of(dice, world.pods(lambda pod: bool(pod.node)))
    if pod is None:
        return None
    node, seconds = pod.node, dice.choice(_LONG)
    cluster = world.cluster
    if not cluster.nodes.alive(node):
        return None
    cluster.nodes.cordon(node)
    for other in world.pods(lambda other: other.node == node and other.live):
        cluster.nodes.disrupt(other.raw, "EvictionByEvictionAPI")
        cluster.delete_pod(other, grace=dice.choice((1, 10)))

    def undo() -> None:
        try:
            cluster.nodes.cordon(node, on=False)
        except Refused:  # the node is gone
            return

    world.for_a_while(seconds, undo)
    return f"{node}, for {seconds:g} s"


def stop_a_controller(world: World, dice: Random) -> str:
    """The scheduler or the garbage collector does nothing for a while."""
    cluster, seconds = world.cluster, dice.choice(_LONG)
    controller: Any = dice.choice((cluster.scheduler, cluster.garbage_collector))
    controller.stop()
    world.for_a_while(seconds, controller.go_on)
    return f"{type(controller).__name__}, for {seconds:g} s"


def hang_a_gang(world: World, dice: Random) -> str | None:
    """Its workers run, and do and say nothing more. Only a job that has a limit for it ends that."""
    story = any_of(dice, [job for job in world.living if job.now.spec.get("hang")])
    if story is None or not story.now.attempt:
        return None
    world.trainer.hung.add((story.uid, story.now.attempt))
    return f"{story.name}, attempt {story.now.attempt}"


def doubt_a_checkpoint(world: World, dice: Random) -> str | None:
    """Some rank finds it damaged, often the one that it was restored from."""
    found = [
        (story, checkpoint)
        for story in world.living
        for checkpoint in story.now.checkpoints
        if checkpoint["state"] == "Complete"
    ]
    if not found:
        return None
    story, checkpoint = dice.choice(found)
    pods = [pod for pod in world.pods(_runs) if pod.owner == story.uid]
    pod = any_of(dice, pods)
    if pod is None:
        return None
    step = dice.choice((None, checkpoint.get("step")))  # a trainer may not know it
    worker, place = story.worker_of(pod), checkpoint["uri"]
    report = worker.saves(checkpoint["epoch"], "Damaged", place, step=step)
    world.spawn(report, "a report of damage")
    return f"{checkpoint['uri']} by {pod.name}"


MACHINES = {
    "a rank breaks": Act(6.0, break_a_rank),
    "several ranks break": Act(1.5, break_several),
    "somebody deletes a pod": Act(2.5, delete_a_pod),
    "a kubelet evicts a pod": Act(1.0, evict),
    "kubelets are slow": Act(1.0, slow_kubelets),
    "a node falls silent": Act(2.0, silence_a_node),
    "a node comes back": Act(2.0, return_a_node),
    "a node is removed": Act(0.7, remove_a_node),
    "a node is replaced": Act(0.7, replace_a_node),
    "a node lets no pod run": Act(1.0, spoil_a_node),
    "a gang hangs": Act(1.0, hang_a_gang),
    "a node flaps": Act(1.0, flap_a_node),
    "a node is drained": Act(1.0, drain_a_node),
    "a controller stands still": Act(0.7, stop_a_controller),
    "a checkpoint is damaged": Act(3.0, doubt_a_checkpoint),
}
