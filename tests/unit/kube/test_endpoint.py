"""Finding the API server, and credentials that are fresh and never shown."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from stargate_kit.report_fakes import certificate
from stargate_operator.kube import config
from stargate_operator.kube.config import ConfigError, bearer_of_file, load_endpoint

SERVER = "https://api.example:6443/k8s"


def kubeconfig(path: Path, **user: str) -> Path:
    context = {"cluster": "c", "user": "u", "namespace": "ml"}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "x",
        "contexts": [{"name": "x", "context": context}],
        "clusters": [{"name": "c", "cluster": {"server": SERVER, "tls-server-name": "inner"}}],
        "users": [{"name": "u", "user": user}],
    }
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def test_explicit_kubeconfig_is_used_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    endpoint = load_endpoint(kubeconfig(tmp_path / "k", token="secret-token"))
    assert (endpoint.server, endpoint.namespace, endpoint.server_name) == (SERVER, "ml", "inner")
    assert endpoint.authorization() == "Bearer secret-token"
    assert "secret-token" not in repr(endpoint)


def test_kubeconfig_of_environment_is_used_second(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig(tmp_path / "k")))
    endpoint = load_endpoint()
    assert endpoint.server == SERVER
    assert endpoint.authorization() is None


def test_kubeconfig_of_home_directory_is_used_third(tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    kubeconfig(tmp_path / ".kube" / "config", token="t")
    assert load_endpoint().server == SERVER


def test_service_account_of_pod_is_used_last(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    certificate(tmp_path)[0].rename(tmp_path / "ca.crt")
    (tmp_path / "token").write_text("t1\n")
    (tmp_path / "namespace").write_text("stargate-system\n")
    monkeypatch.setattr(config, "_SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    endpoint = load_endpoint()
    assert (endpoint.server, endpoint.namespace) == ("https://[fd00::1]:443", "stargate-system")
    assert endpoint.authorization() == "Bearer t1"


@pytest.mark.parametrize("content", ["", "current-context: nope\n", "{}"])
def test_error_names_file_that_is_no_kubeconfig(content: str, tmp_path: Path) -> None:
    (tmp_path / "k").write_text(content)
    with pytest.raises(ConfigError, match=str(tmp_path / "k")):
        load_endpoint(tmp_path / "k")


def test_error_names_missing_kubeconfig() -> None:
    with pytest.raises(ConfigError, match="/nowhere"):
        load_endpoint(Path("/nowhere"))


def test_error_without_kubeconfig_lists_searched_places() -> None:
    with pytest.raises(ConfigError, match="not in a pod"):
        load_endpoint()


def test_rotated_token_is_read_within_a_minute(tmp_path: Path) -> None:
    now = 0.0
    token = tmp_path / "token"
    token.write_text("first\n")
    bearer = bearer_of_file(token, lambda: now)
    token.write_text("second\n")
    assert bearer() == "Bearer first"
    now = 60.0
    assert bearer() == "Bearer second"
    token.unlink()
    now = 120.0
    assert bearer() == "Bearer second"
