"""The binaries the lab needs and their pinned versions.

`tools/go.mod` is the only place that states a version; everything here is read from it.
"""

import platform
import re
import sys
from dataclasses import dataclass
from functools import cache

from stargate_lab.host.paths import TOOLS

CONTROL_PLANE = (
    "etcd",
    "helm",  # the operator's rights and CRDs come from the chart
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubectl",
    "kwok",
    "kwokctl",
)
EXTRA = ("kind",)

_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True)
class Tool:
    """One binary: the Go package that builds it and the module that states its version."""

    name: str
    package: str
    module: str
    version: str

    @property
    def built_name(self) -> str:
        """`go build` names a binary after the last path element that is not a major version."""
        parts = [p for p in self.package.split("/") if not re.fullmatch(r"v\d+", p)]
        return parts[-1]


@dataclass(frozen=True)
class Platform:
    os: str
    arch: str

    @classmethod
    def here(cls) -> "Platform":
        machine = platform.machine().lower()
        return cls(sys.platform, _ARCHITECTURES.get(machine, machine))


_SOURCES = {
    "etcd": ("go.etcd.io/etcd/server/v3", "go.etcd.io/etcd/server/v3"),
    "helm": ("helm.sh/helm/v4/cmd/helm", "helm.sh/helm/v4"),
    "kind": ("sigs.k8s.io/kind", "sigs.k8s.io/kind"),
    "kwok": ("sigs.k8s.io/kwok/cmd/kwok", "sigs.k8s.io/kwok"),
    "kwokctl": ("sigs.k8s.io/kwok/cmd/kwokctl", "sigs.k8s.io/kwok"),
}


@cache
def module_versions() -> dict[str, str]:
    text = (TOOLS / "go.mod").read_text()
    return dict(re.findall(r"^\s+(\S+) (v\S+)(?: // indirect)?$", text, re.MULTILINE))


def go_version() -> str:
    """The oldest version of Go that can build the tools."""
    match = re.search(r"^go (\S+)$", (TOOLS / "go.mod").read_text(), re.MULTILINE)
    if not match:
        raise ValueError("tools/go.mod has no go line")
    return match[1]


def tool(name: str) -> Tool:
    if name not in CONTROL_PLANE + EXTRA:
        raise ValueError(f"unknown tool {name!r}; there are {', '.join(CONTROL_PLANE + EXTRA)}")
    kubernetes = (f"k8s.io/kubernetes/cmd/{name}", "k8s.io/kubernetes")
    package, module = _SOURCES.get(name, kubernetes)
    return Tool(name, package, module, module_versions()[module])


def kubernetes_version() -> str:
    return module_versions()["k8s.io/kubernetes"]
