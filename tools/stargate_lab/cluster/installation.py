"""Puts the chart's CRDs and RBAC into a plane, and makes kubeconfigs of the operator's ServiceAccount.

The operator runs under the rights of the chart, never as an administrator, so a missing rule shows up
here. It runs as a process of this machine, so the rest of the chart is not installed.
"""

import subprocess
from pathlib import Path
from typing import Any, Protocol

import yaml

from stargate_lab.cluster import chart
from stargate_lab.cluster.api import Api
from stargate_lab.host.paths import REPO
from stargate_lab.toolchain import binaries

NAMESPACE = "stargate-system"
SERVICE_ACCOUNT = "stargate-operator"
_PLURALS = ("stargatejobs", "stargateruntimes", "acceleratorclasses", "computeblocks")
_TOKEN_SECONDS = 365 * 24 * 3600
_APPLY = ("apply", "--server-side", "--force-conflicts")
_SHOWN = ("crds.yaml", "rbac.yaml", "people.yaml", "serviceaccount.yaml")


class KubectlError(RuntimeError):
    """kubectl failed; the message holds its output."""


class Plane(Protocol):
    """A cluster to which we have an administrator's kubeconfig."""

    @property
    def kubeconfig(self) -> Path: ...

    @property
    def api(self) -> Api: ...


def install(plane: Plane) -> None:
    """Returns when the CRDs are served. Idempotent."""
    ensure_namespace(plane, NAMESPACE)
    apply_text(plane, chart.template(*_SHOWN))
    crds = str(REPO / "crds")
    kubectl(plane, "wait", "--for=condition=Established", "--timeout=30s", "-f", crds)
    for plural in _PLURALS:  # Established comes a moment before the storage behind it is ready
        plane.api.get(f"/apis/stargate.dev/v1alpha1/{plural}")


def ensure_namespace(plane: Plane, name: str) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": labels},
    }
    apply_text(plane, yaml.safe_dump(namespace))


def apply(plane: Plane, *paths: Path) -> None:
    files = [argument for path in paths for argument in ("-f", str(path))]
    kubectl(plane, *_APPLY, *files)


def apply_text(plane: Plane, manifests: str) -> None:
    kubectl(plane, *_APPLY, "-f", "-", stdin=manifests)


def kubectl(plane: Plane, *arguments: str, stdin: str | None = None) -> str:
    """Runs kubectl as the administrator."""
    program = str(binaries.ensure(["kubectl"])["kubectl"])
    done = subprocess.run(
        [program, "--kubeconfig", str(plane.kubeconfig), *arguments],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise KubectlError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def operator_kubeconfig(plane: Plane, to: Path) -> Path:
    return service_account_kubeconfig(plane, NAMESPACE, SERVICE_ACCOUNT, to)


def service_account_kubeconfig(plane: Plane, namespace: str, account: str, to: Path) -> Path:
    to.touch(mode=0o600)
    to.write_text(yaml.safe_dump(_kubeconfig(plane, namespace, _token(plane, namespace, account))))
    return to


def _token(plane: Plane, namespace: str, account: str) -> str:
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": _TOKEN_SECONDS},
    }
    return str(plane.api.create(path, request)["status"]["token"])


def _kubeconfig(plane: Plane, namespace: str, token: str) -> dict[str, Any]:
    admin = yaml.safe_load(plane.kubeconfig.read_text())
    context = {"cluster": "lab", "user": "operator", "namespace": namespace}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "lab", "cluster": admin["clusters"][0]["cluster"]}],
        "users": [{"name": "operator", "user": {"token": token}}],
        "contexts": [{"name": "lab", "context": context}],
        "current-context": "lab",
    }
