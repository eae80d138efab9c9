"""The identity in a kubeconfig: in files, or inline."""

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from stargate_lab.cluster.api import Credentials
from stargate_lab.host.certificates import issue


@pytest.mark.parametrize("inline", [False, True], ids=["files", "inline"])
def test_a_kubeconfig_with_a_client_certificate(tmp_path: Path, inline: bool) -> None:
    files = issue(tmp_path / "certificates")
    cluster = {
        "server": "https://127.0.0.1:6443",
        **entry("certificate-authority", files.ca, inline),
    }
    user = entry("client-certificate", files.certificate, inline) | entry(
        "client-key", files.key, inline
    )

    found = Credentials.load(kubeconfig(tmp_path, cluster, user))

    assert found.server == "https://127.0.0.1:6443"
    assert found.headers == {}
    assert len(found.ssl.get_ca_certs()) == 1


def test_a_kubeconfig_with_a_token(tmp_path: Path) -> None:
    files = issue(tmp_path / "certificates")
    cluster = {"server": "https://[::1]:6443", **entry("certificate-authority", files.ca, False)}

    found = Credentials.load(kubeconfig(tmp_path, cluster, {"token": "abc"}))

    assert found.headers == {"Authorization": "Bearer abc"}


def entry(name: str, file: Path, inline: bool) -> dict[str, str]:
    if inline:
        return {f"{name}-data": base64.b64encode(file.read_bytes()).decode()}
    return {name: str(file)}


def kubeconfig(directory: Path, cluster: dict[str, str], user: dict[str, str]) -> Path:
    config: dict[str, Any] = {
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path = directory / "kubeconfig.yaml"
    path.write_text(yaml.safe_dump(config))
    return path
