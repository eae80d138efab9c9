"""The commands in docs/install.md, upgrade.md and security.md work when a reader pastes them."""

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from stargate_lab.cluster import fleet
from stargate_lab.cluster.chart import CHART
from stargate_lab.cluster.control_plane import ControlPlane, running
from stargate_lab.cluster.fleet import Fleet
from stargate_lab.host.paths import REPO
from stargate_lab.toolchain import binaries
from stargate_release.version import current

NOT_HERE = re.compile(r"helm test|--watch|logs deployment|get lease|cosign|gh attestation|docker ")
"""Lines that need a kubelet, an operator, a registry, or a release that is published."""


@dataclass(frozen=True)
class Shell:
    """A shell of an administrator of the cluster."""

    plane: ControlPlane

    def __call__(self, script: str) -> str:
        tools = binaries.ensure(["helm", "kubectl"])["kubectl"].parent
        environment = {
            **os.environ,
            "PATH": f"{tools}:{os.environ['PATH']}",
            "KUBECONFIG": str(self.plane.kubeconfig),
            "HOME": str(self.plane.directory),
            "CHART": str(CHART),
            "VERSION": current(),
        }
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=REPO,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture
def shell() -> Iterator[Shell]:
    with running(ControlPlane(f"documents-{os.getpid()}")) as plane:
        fleet.create(Fleet(nodes=3), plane.api.credentials)
        yield Shell(plane)


def commands(document: str) -> list[str]:
    """The scripts of a document, without the lines that cannot run here.

    CHART and VERSION are this chart's, and TEAM is the team of install.md.
    """
    text = (REPO / "docs" / f"{document}.md").read_text()
    scripts = re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S)
    whole = [re.sub(r"\\\n\s*", "", script) for script in scripts]
    filled = [
        re.sub(
            r"^(VERSION|CHART)=.*$|\bTEAM\b",
            lambda found: "" if found[1] else "vision",
            script,
            flags=re.M,
        )
        for script in whole
    ]
    kept = [
        "\n".join(line for line in script.splitlines() if not NOT_HERE.search(line))
        for script in filled
    ]
    return [script for script in kept if script.strip() and "for what in" not in script]


def test_documented_commands_work_in_order(
    shell: Shell, tmp_path_factory: pytest.TempPathFactory
) -> None:
    values = re.search(
        r"^```yaml\n(.*?)^```$", (REPO / "docs" / "install.md").read_text(), re.M | re.S
    )
    assert values
    folder = tmp_path_factory.mktemp("pasted")
    (folder / "stargate.yaml").write_text(values[1])
    enter = f"ln -sfn {REPO}/charts {folder}/charts; cd {folder}\n"
    install = commands("install")
    uninstall = next(script for script in install if script.startswith("helm uninstall"))
    installed = False
    for script in install[: install.index(uninstall)]:
        if "helm install" in script and installed:
            shell(uninstall)
        if "watchNamespaces" in script:
            shell("kubectl create namespace speech")
        shell(enter + script)
        installed = installed or "helm install" in script

    for document in ("upgrade", "security"):
        for script in commands(document):
            shell(enter + script)
    assert "first" in (folder / "jobs.yaml").read_text()

    for script in install[install.index(uninstall) :]:
        shell(script)
    assert shell("kubectl get crd --output name | grep stargate.dev || true") == ""
