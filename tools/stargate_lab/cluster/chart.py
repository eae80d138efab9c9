"""The Helm chart, rendered and installed with the pinned helm."""

import subprocess
from pathlib import Path

import yaml

from stargate_lab.cluster.api import Json
from stargate_lab.host.paths import REPO
from stargate_lab.toolchain import binaries

CHART = REPO / "charts" / "stargate-operator"
NAME = "stargate-operator"
NAMESPACE = "stargate-system"
_WAIT = ("--wait", "--timeout", "180s")


class HelmError(RuntimeError):
    """helm failed; the message holds its output."""


def template(*shown: str, values: str = "", arguments: tuple[str, ...] = ()) -> str:
    """All manifests, or only those of the templates in `shown`. `values` is YAML."""
    show = [word for name in shown for word in ("--show-only", f"templates/{name}")]
    return helm("template", NAME, str(CHART), *on(NAMESPACE), *show, *arguments, values=values)


def defaults(*files: Path) -> list[Json]:
    """The runtimes, classes and blocks that the leader applies with these values files."""
    found = yaml.safe_load(template("defaults.yaml", arguments=given(*files)))
    return [yaml.safe_load(text) for text in found["data"].values()]


def install(kubeconfig: Path, *files: Path, values: str = "") -> None:
    """Installs or upgrades; returns when every replica is ready. `values` override the files."""
    command = ("upgrade", "--install", NAME, str(CHART), "--create-namespace", *_WAIT)
    helm(*command, *on(NAMESPACE, kubeconfig), *given(*files), values=values)


def test(kubeconfig: Path) -> str:
    """Runs the chart's own tests (`helm test`)."""
    return helm("test", NAME, *on(NAMESPACE, kubeconfig))


def given(*files: Path) -> tuple[str, ...]:
    return tuple(word for file in files for word in ("--values", str(file)))


def on(namespace: str, kubeconfig: Path | None = None) -> tuple[str, ...]:
    where = ("--kubeconfig", str(kubeconfig)) if kubeconfig else ()
    return ("--namespace", namespace, *where)


def helm(*arguments: str, values: str = "") -> str:
    program = str(binaries.ensure(["helm"])["helm"])
    done = subprocess.run(
        [program, *arguments, *(("--values", "-") if values else ())],
        input=values,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise HelmError(f"helm {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
