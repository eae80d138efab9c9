"""The Helm chart, rendered and installed with the pinned helm."""

import subprocess
from pathlib import Path

from stargate_lab import binaries
from stargate_lab.paths import REPO

CHART = REPO / "charts" / "stargate-operator"
NAME = "stargate-operator"
NAMESPACE = "stargate-system"


class HelmError(RuntimeError):
    """helm said no; the message holds its words."""


def template(*shown: str, values: str = "", arguments: tuple[str, ...] = ()) -> str:
    """All manifests, or those of the templates that are `shown`; `values` is YAML."""
    show = [word for each in shown for word in ("--show-only", f"templates/{each}")]
    return helm("template", NAME, str(CHART), *on(NAMESPACE), *show, *arguments, values=values)


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
