"""`make kind` and `make kind-down`: the operator from its chart and a small job, on real kubelets.

Each step shows the command that a person could type instead. All steps are idempotent: on a cluster that
exists already, together they are an upgrade. The cluster stays up.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from stargate_lab.cluster import chart
from stargate_lab.cluster.installation import kubectl
from stargate_lab.cluster.kind import RESOURCE, KindCluster
from stargate_lab.host import docker
from stargate_lab.host.paths import REPO, RUN_DIR
from stargate_lab.toolchain import binaries, images
from stargate_lab.toolchain.go_build import elapsed

EXAMPLES = Path("examples/kind")
VALUES = REPO / EXAMPLES / "values.yaml"
STORAGE = REPO / EXAMPLES / "storage.yaml"
JOB = REPO / EXAMPLES / "language-model.yaml"
JOB_NAME = "language-model"
DATA = REPO / "images" / "trainer" / "data" / "stargate-text"
CLUSTER = KindCluster(REPO / EXAMPLES / "cluster.yaml", "stargate", RUN_DIR / "kind")
DEVICES = 8
TRAINING_SECONDS = 900.0
_SHARED = "/stargate/storage"
_DEPLOYMENTS = f"/apis/apps/v1/namespaces/{chart.NAMESPACE}/deployments"


class KindExampleError(RuntimeError):
    """The job has not trained to its end; the message says where to look."""


@dataclass(frozen=True)
class Step:
    """`act` returns its result in a few words."""

    what: str
    command: str
    act: Callable[[], str]


def up(cluster: KindCluster = CLUSTER) -> None:
    docker.require()
    console = Console(highlight=False, soft_wrap=True)
    console.print(_TITLE)
    for number, step in enumerate(steps(cluster, console), start=1):
        _take(step, number, console)
    _show_it_train(cluster, console)
    console.print(_how_to_go_on(cluster), markup=False)


def down(cluster: KindCluster = CLUSTER) -> str:
    docker.require()
    if not cluster.nodes:
        return f"there is no cluster {cluster.name}"
    _empty_storage(cluster)
    cluster.delete()
    return f"ended: {cluster.name}"


def steps(cluster: KindCluster, console: Console) -> list[Step]:
    """All steps. docs/kind.md lists the same commands, with the environment that they need."""
    name, config = cluster.name, cluster.config.relative_to(REPO)
    folder, data = _folder(cluster).relative_to(REPO), DATA.relative_to(REPO)
    tags = " ".join(image.tag for image in images.IMAGES)
    amount = f'{{"{RESOURCE}": "{DEVICES}"}}'
    return [
        Step("build the images", "make images", lambda: _build(console)),
        Step(
            "put a data set into a folder for the nodes to share",
            f"mkdir -p {folder}/datasets {folder}/checkpoints && cp -r {data} {folder}/datasets"
            f" && chmod a+w {folder}/*",
            lambda: _provide(cluster),
        ),
        Step(
            "create the cluster",
            f"kind create cluster --name {name} --config {config}",
            lambda: _create(cluster),
        ),
        Step(
            "load the images into its nodes",
            f"kind load docker-image --name {name} {tags}",
            lambda: _load(cluster),
        ),
        Step(
            "say that the nodes have accelerators, as a device plugin would",
            "kubectl patch nodes -l stargate.dev/accelerator --subresource status"
            f""" -p '{{"status": {{"capacity": {amount}}}}}'""",
            lambda: _advertise(cluster),
        ),
        Step(
            "install the operator",
            f"helm upgrade --install {chart.NAME} charts/stargate-operator"
            f" -n {chart.NAMESPACE} --create-namespace -f {EXAMPLES}/values.yaml --wait",
            lambda: _install(cluster),
        ),
        Step(
            "apply a job, and the storage that it needs",
            f"kubectl apply -f {EXAMPLES}/storage.yaml -f {EXAMPLES}/language-model.yaml",
            lambda: _apply(cluster),
        ),
    ]


def provide(folder: Path) -> None:
    """Makes the folders of storage.yaml, writable by all: the workers' user id is unknown here."""
    for name in ("checkpoints", "datasets"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name).chmod(0o777)
    shutil.copytree(DATA, folder / "datasets" / DATA.name, dirs_exist_ok=True)


def _take(step: Step, number: int, console: Console) -> None:
    console.print(f"\n[bold]{number}. {step.what}[/bold]")
    console.print(f"   $ {step.command}", style="dim", markup=False)
    started = time.monotonic()
    said = step.act()
    took = elapsed(time.monotonic() - started)
    console.print(f"   {said}  ({took})", markup=False)


def _build(console: Console) -> str:
    for image in images.IMAGES:
        images.build(image, lambda line: console.print(f"   {line}", markup=False))
    return "up to date"


def _provide(cluster: KindCluster) -> str:
    provide(_folder(cluster))
    size = sum(file.stat().st_size for file in DATA.iterdir())
    return f"{DATA.name}, {size // 1000} kB"


def _folder(cluster: KindCluster) -> Path:
    """The storage folder of the jobs in the namespace `default`."""
    return cluster.directory / "storage" / "default"


def _create(cluster: KindCluster) -> str:
    was_there = bool(cluster.nodes)
    cluster.ensure()
    words = "was there already" if was_there else "created"
    return f"{words}: {len(cluster.nodes)} nodes, Kubernetes {_version(cluster)}"


def _version(cluster: KindCluster) -> str:
    return str(cluster.api.get("/version")["gitVersion"])


def _load(cluster: KindCluster) -> str:
    loaded = {image: cluster.load(image.tag, cluster.workers) for image in images.IMAGES}
    words = [f"{image.name} into {len(nodes)} nodes" for image, nodes in loaded.items() if nodes]
    if loaded[images.OPERATOR]:
        _restart_operator(cluster)
    return ", ".join(words) or "they are there already"


def _restart_operator(cluster: KindCluster) -> None:
    """Replaces operators of an earlier image with the same tag; a first install has none."""
    if cluster.api.get(_DEPLOYMENTS)["items"]:
        kubectl(cluster, "-n", chart.NAMESPACE, "rollout", "restart", f"deployment/{chart.NAME}")


def _advertise(cluster: KindCluster) -> str:
    for node in cluster.workers:
        cluster.advertise(node, DEVICES)
    return f"{DEVICES} × {RESOURCE} on each of {', '.join(cluster.workers)}"


def _install(cluster: KindCluster) -> str:
    chart.install(cluster.kubeconfig, VALUES)
    found = cluster.api.get(f"{_DEPLOYMENTS}/{chart.NAME}")
    return f"{found['status']['readyReplicas']} replicas are ready"


def _apply(cluster: KindCluster) -> str:
    return ", ".join(kubectl(cluster, "apply", "-f", str(STORAGE), "-f", str(JOB)).splitlines())


def _show_it_train(cluster: KindCluster, console: Console) -> None:
    """Runs `kubectl stargate watch`: a live screen on a terminal, a line for each change elsewhere."""
    console.print(f"\n[bold]The job[/bold]\n   $ kubectl stargate watch {JOB_NAME}")
    succeeded = _watch(cluster)
    console.print(f"\n   $ kubectl get sj\n{kubectl(cluster, 'get', 'sj')}", markup=False)
    if not succeeded:
        raise KindExampleError(
            f"{JOB_NAME} has not succeeded; with the environment below,"
            f" `kubectl stargate status {JOB_NAME}` says why\n{_environment(cluster)}"
        )


def _watch(cluster: KindCluster) -> bool:
    command = [sys.executable, "-m", "stargate_api.cli", "watch", JOB_NAME]
    environment = os.environ | {"KUBECONFIG": str(cluster.kubeconfig)}
    try:
        done = subprocess.run(command, env=environment, check=False, timeout=TRAINING_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _empty_storage(cluster: KindCluster) -> None:
    """Deletes the storage from within a node, because the files belong to the workers' user."""
    docker.docker("start", *cluster.nodes)
    docker.docker("exec", cluster.workers[0], "sh", "-c", f"rm -rf {_SHARED}/*")


_TITLE = """\
[bold]Stargate on kind[/bold]: real kubelets in Docker, the operator from its chart, and four containers
that train a language model. It takes minutes the first time, and stays up until `make kind-down`."""


def _environment(cluster: KindCluster) -> str:
    return f"""
  export KUBECONFIG={cluster.kubeconfig}
  export PATH={binaries.bin_dir()}:{Path(sys.executable).parent}:$PATH"""


def _how_to_go_on(cluster: KindCluster) -> str:
    return f"""What next
{_environment(cluster)}

  kubectl stargate status {JOB_NAME}   where the time went
  kubectl stargate logs {JOB_NAME}     what its rank 0 said
  kubectl get srt,acc,cb                   what jobs can ask for here

Train it again, and kill a rank while it does:

  kubectl delete -f {EXAMPLES}/{JOB.name} && kubectl apply -f {EXAMPLES}/{JOB.name}
  kubectl delete pod {JOB_NAME}-1-2 --grace-period=1
  kubectl stargate watch {JOB_NAME}

docs/kind.md says what this cluster can and cannot do; `make kind-down` ends it."""
