"""Runs the operator's container of one of a release's pods as a process on this machine.

The pod, ServiceAccount, ConfigMaps and Secrets are those that helm created. Like a kubelet, this module
resolves the environment and mounts the volumes. Only the listening addresses are local.
"""

from base64 import b64decode
from collections.abc import Iterator
from functools import reduce
from pathlib import Path

from stargate_lab.cluster.api import Json
from stargate_lab.cluster.control_plane import ControlPlane
from stargate_lab.cluster.installation import service_account_kubeconfig
from stargate_lab.process.operator_process import OperatorProcess
from stargate_operator.settings import Settings

_FILES = ("reports_certificate", "reports_key", "reports_ca")


def replica_of(plane: ControlPlane, pod: Json) -> OperatorProcess:
    name = pod["metadata"]["name"]
    root = plane.directory / name / "root"
    for path, content in _mounted(plane, pod):
        _write(_below(root, path), content)
    operator = OperatorProcess(plane, _environment(pod, root), name)
    account = pod["spec"]["serviceAccountName"]
    service_account_kubeconfig(plane, pod["metadata"]["namespace"], account, operator.kubeconfig)
    return operator


def _environment(pod: Json, root: Path) -> dict[str, str]:
    """The environment of the container, with the paths of mounted files on this machine."""
    (container,) = pod["spec"]["containers"]
    mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
    files = {f"STARGATE_{name.upper()}": str(getattr(Settings(), name)) for name in _FILES}
    stated = {entry["name"]: _value(entry, pod) for entry in container["env"]}
    return {
        name: str(_below(root, value)) if value.startswith(tuple(mounts)) else value
        for name, value in {**files, **stated}.items()
    }


def _value(entry: Json, pod: Json) -> str:
    if "valueFrom" not in entry:
        return str(entry.get("value", ""))
    path = entry["valueFrom"]["fieldRef"]["fieldPath"].split(".")
    return str(reduce(lambda found, key: found[key], path, pod))


def _mounted(plane: ControlPlane, pod: Json) -> Iterator[tuple[str, bytes]]:
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    for mount in pod["spec"]["containers"][0]["volumeMounts"]:
        files = _files(plane, pod["metadata"]["namespace"], volumes[mount["name"]])
        for name, content in files.items():
            yield f"{mount['mountPath']}/{name}", content


def _files(plane: ControlPlane, namespace: str, volume: Json) -> dict[str, bytes]:
    core = f"/api/v1/namespaces/{namespace}"
    if secret := volume.get("secret"):
        found = plane.api.get(f"{core}/secrets/{secret['secretName']}")["data"]
        return {item["path"]: b64decode(found[item["key"]]) for item in secret["items"]}
    if shared := volume.get("configMap"):
        found = plane.api.get(f"{core}/configmaps/{shared['name']}")["data"]
        return {name: content.encode() for name, content in found.items()}
    return {}


def _below(root: Path, path: str) -> Path:
    return root / path.lstrip("/")


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(content)
