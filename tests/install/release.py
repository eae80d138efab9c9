"""A release of the chart, handled with helm's own commands only."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import yaml

from stargate_lab.cluster import chart
from stargate_lab.cluster.api import Json
from stargate_lab.cluster.control_plane import ControlPlane

NAME, NAMESPACE = chart.NAME, chart.NAMESPACE
_WAIT = ("--wait", "--timeout", "2m")


@dataclass(frozen=True)
class Release:
    plane: ControlPlane
    name: str = NAME
    namespace: str = NAMESPACE

    def install(self, *flags: str, source: Path = chart.CHART, values: str = "") -> str:
        words = ("install", self.name, str(source), "--create-namespace", *_WAIT, *flags)
        return self._helm(*words, values=values)

    def upgrade(self, *flags: str, values: str = "") -> str:
        return self._helm("upgrade", self.name, str(chart.CHART), *_WAIT, *flags, values=values)

    def rollback(self) -> str:
        """Rolls back to the previous revision."""
        return self._helm("rollback", self.name, *_WAIT)

    def uninstall(self) -> str:
        return self._helm("uninstall", self.name, *_WAIT)

    @property
    def deployment(self) -> Json:
        path = f"/apis/apps/v1/namespaces/{self.namespace}/deployments/{NAME}"
        return self.plane.api.get(path)

    @property
    def certificate(self) -> dict[str, str]:
        path = f"/api/v1/namespaces/{self.namespace}/secrets/{NAME}-tls"
        return dict(self.plane.api.get(path)["data"])

    def pods(self) -> list[Json]:
        """The pods of its Deployment that are not being deleted."""
        found = self.plane.api.get(f"/api/v1/namespaces/{self.namespace}/pods")["items"]
        return [
            pod
            for pod in found
            if pod["metadata"]["labels"].get("app.kubernetes.io/name") == NAME
            and "deletionTimestamp" not in pod["metadata"]
        ]

    def _helm(self, *words: str, values: str = "") -> str:
        where = chart.on(self.namespace, self.plane.kubeconfig)
        return chart.helm(*words, *where, values=values)


def packaged_as(version: str, directory: Path) -> Path:
    """Packages this chart as an earlier version, in which jobs have no short name.

    No version is released yet, so this package stands for one.
    """
    copy = directory / "chart"
    shutil.copytree(chart.CHART, copy)
    path = copy / "files" / "crds" / "stargate.dev_stargatejobs.yaml"
    crd = yaml.safe_load(path.read_text())
    del crd["spec"]["names"]["shortNames"]
    path.write_text(yaml.safe_dump(crd))
    chart.helm(
        *("package", str(copy), "--destination", str(directory)),
        *("--version", version, "--app-version", version),
    )
    return directory / f"{NAME}-{version}.tgz"
