"""The configuration of a control plane for kwokctl. Pure: from options to text."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stargate_lab.cluster.api_keys import ApiKey
from stargate_lab.host.ports import free_ports
from stargate_lab.toolchain.pinned_tools import kubernetes_version, tool

_STAGES = Path(__file__).with_name("kwok_stages.yaml")
ABANDONED = "stargate-lab/abandoned=true"
"""Annotation of a pod that no simulated kubelet touches any more, as if its machine were dead."""
_PORTS = (
    "etcdPeerPort",
    "etcdPort",
    "kubeApiserverPort",
    "kubeControllerManagerPort",
    "kubeSchedulerPort",
    "kwokControllerPort",
)
_UNTHROTTLED = {"kube-api-qps": "5000", "kube-api-burst": "10000"}
_STEADY = {"kube-api-qps": "100", "kube-api-burst": "100"}
"""The scheduler binds a whole gang at once: on two cores, 1,000 binds in flight starve the leases."""
_ALONE = {"leader-elect": "false"}
"""Each component has one replica, and nothing starts it again when it has lost its lease."""


@dataclass(frozen=True)
class PlaneOptions:
    """Options of a control plane.

    `node_leases` costs a write per node and 50 s and more (500 PUTs/s at 5,000 nodes), so it is for
    small fleets that test node loss; without it the controllers that judge nodes by their leases
    are off. `raised_controller_limits` lifts the controller-manager's 20 requests/s.
    """

    gang_scheduling: bool = False
    node_leases: bool = False
    heartbeat_factor: float = 1.0
    raised_controller_limits: bool = False
    kwok_parallelism: int = 16
    outlives_its_owner: bool = False
    api_keys: tuple[ApiKey, ...] = ()
    apiserver_args: tuple[tuple[str, str], ...] = ()
    scheduler_args: tuple[tuple[str, str], ...] = ()


def render(options: PlaneOptions, binaries: Mapping[str, Path]) -> str:
    documents = [_kwokctl(options, binaries), _kwok(options)]
    return yaml.safe_dump_all(documents) + "---\n" + _STAGES.read_text()


def flags(options: PlaneOptions) -> list[str]:
    """Flags for what the file cannot express: in it, a lease of 0 seconds means the default."""
    return ["--node-lease-duration-seconds", "40" if options.node_leases else "0"]


def _kwokctl(options: PlaneOptions, binaries: Mapping[str, Path]) -> dict[str, Any]:
    return {
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokctlConfiguration",
        "options": {
            "runtime": "binary",
            "kubeVersion": kubernetes_version(),
            "etcdVersion": tool("etcd").version.removeprefix("v"),
            "bindAddress": "127.0.0.1",
            "kubeAuthorization": True,
            "securePort": True,
            "quietPull": True,
            "heartbeatFactor": options.heartbeat_factor,
            **dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True)),
            **_binary_options(binaries),
            **_gang_options(options),
        },
        "componentsPatches": [
            _arguments("kube-apiserver", _apiserver(options)),
            _arguments("kube-controller-manager", _controller_manager(options)),
            _arguments("kube-scheduler", _scheduler(options)),
            # It costs a third less CPU of kwok, which a real cluster does not have.
            _environment("kwok-controller", {"GOGC": "400"}),
        ],
    }


def _binary_options(binaries: Mapping[str, Path]) -> dict[str, str]:
    return {
        "etcdBinary": str(binaries["etcd"]),
        "kubeApiserverBinary": str(binaries["kube-apiserver"]),
        "kubeControllerManagerBinary": str(binaries["kube-controller-manager"]),
        "kubeSchedulerBinary": str(binaries["kube-scheduler"]),
        "kubectlBinary": str(binaries["kubectl"]),
        "kwokControllerBinary": str(binaries["kwok"]),
    }


def _gang_options(options: PlaneOptions) -> dict[str, str]:
    if not options.gang_scheduling:
        return {}
    return {
        "kubeFeatureGates": "GenericWorkload=true,GangScheduling=true",
        "kubeRuntimeConfig": "scheduling.k8s.io/v1alpha2=true",
    }


def _apiserver(options: PlaneOptions) -> dict[str, str]:
    """Disables the plugin that taints a new node until a controller has judged it. Enables the one
    of strict clusters that checks the right to block an owner's deletion."""
    return {
        "disable-admission-plugins": "TaintNodesByCondition",
        "enable-admission-plugins": "OwnerReferencesPermissionEnforcement",
        **dict(options.apiserver_args),
    }


def _scheduler(options: PlaneOptions) -> dict[str, str]:
    pace = _STEADY if options.gang_scheduling else _UNTHROTTLED
    return {**_ALONE, **pace, **dict(options.scheduler_args)}


def _controller_manager(options: PlaneOptions) -> dict[str, str]:
    arguments = {**_ALONE, **(_UNTHROTTLED if options.raised_controller_limits else {})}
    if not options.node_leases:
        arguments["controllers"] = "*,-node-lifecycle-controller,-ttl-controller"
    return arguments


def _arguments(component: str, arguments: Mapping[str, str]) -> dict[str, Any]:
    extra = [{"key": key, "value": value} for key, value in arguments.items()]
    return {"name": component, "extraArgs": extra}


def _environment(component: str, variables: Mapping[str, str]) -> dict[str, Any]:
    extra = [{"name": name, "value": value} for name, value in variables.items()]
    return {"name": component, "extraEnvs": extra}


def _kwok(options: PlaneOptions) -> dict[str, Any]:
    return {
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokConfiguration",
        "options": {
            "cidr": "10.0.0.0/8",
            "disregardStatusWithAnnotationSelector": ABANDONED,
            "podPlayStageParallelism": options.kwok_parallelism,
            "nodePlayStageParallelism": options.kwok_parallelism,
            "nodeLeaseParallelism": options.kwok_parallelism,
            "podsOnNodeSyncParallelism": options.kwok_parallelism,
        },
    }
