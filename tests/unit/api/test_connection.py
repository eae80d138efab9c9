"""Finding cluster, namespace and key in the documented order, and keeping a key from other clusters."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from stargate_api import InvalidConfig
from stargate_api._client.connection import Connection, Settings, connect
from tests.unit.api.scripted_server import KEY

VARIABLES = ("API_KEY", "ENDPOINT", "CA_FILE", "NAMESPACE", "CONTEXT")


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Removes variables, kubeconfig and pod from the environment."""
    for name in VARIABLES:
        monkeypatch.delenv(f"STARGATE_{name}", raising=False)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    path = tmp_path / "kubeconfig"
    users = [{"name": "me", "user": {"token": "my-own"}}]
    clusters = [
        {"name": name, "cluster": {"server": f"https://{name}:6443"}} for name in ("here", "there")
    ]
    contexts: list[dict[str, Any]] = [
        {"name": "one", "context": {"cluster": "here", "user": "me", "namespace": "team"}},
        {"name": "two", "context": {"cluster": "there", "user": "me"}},
    ]
    found = {"clusters": clusters, "contexts": contexts, "users": users, "current-context": "one"}
    path.write_text(yaml.safe_dump(found))
    return path


def said(connection: Connection) -> tuple[str, str, str | None]:
    return connection.server, connection.namespace, connection.authorization()


def test_arguments_alone_connect() -> None:
    found = connect(Settings(KEY, "https://a:1/", namespace="team"))
    assert said(found) == ("https://a:1", "team", f"Bearer {KEY}")


def test_variables_alone_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STARGATE_API_KEY", KEY)
    monkeypatch.setenv("STARGATE_ENDPOINT", "https://a:1")
    monkeypatch.setenv("STARGATE_NAMESPACE", "team")
    assert said(connect(Settings())) == ("https://a:1", "team", f"Bearer {KEY}")


def test_arguments_override_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STARGATE_ENDPOINT", "https://a:1")
    monkeypatch.setenv("STARGATE_API_KEY", "another")
    assert said(connect(Settings(KEY, "https://b:1"))) == (
        "https://b:1",
        "default",
        f"Bearer {KEY}",
    )


def test_variables_override_the_kubeconfig(
    monkeypatch: pytest.MonkeyPatch, kubeconfig: Path
) -> None:
    monkeypatch.setenv("STARGATE_ENDPOINT", "https://a:1")
    monkeypatch.setenv("STARGATE_API_KEY", KEY)
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    assert said(connect(Settings())) == ("https://a:1", "default", f"Bearer {KEY}")


def test_context_argument_overrides_variables(
    monkeypatch: pytest.MonkeyPatch, kubeconfig: Path
) -> None:
    """The variables name another cluster, so their key does not apply either."""
    monkeypatch.setenv("STARGATE_ENDPOINT", "https://a:1")
    monkeypatch.setenv("STARGATE_API_KEY", KEY)
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    found = connect(Settings(context="two"))
    assert said(found) == ("https://there:6443", "default", "Bearer my-own")


def test_without_a_key_the_kubeconfig_user_connects(kubeconfig: Path) -> None:
    found = connect(Settings(kubeconfig=str(kubeconfig)))
    assert said(found) == ("https://here:6443", "team", "Bearer my-own")


def test_key_replaces_the_kubeconfig_user(kubeconfig: Path) -> None:
    found = connect(Settings(KEY, kubeconfig=str(kubeconfig)))
    assert said(found) == ("https://here:6443", "team", f"Bearer {KEY}")


def test_context_and_namespace_arguments_apply(kubeconfig: Path) -> None:
    found = connect(Settings(kubeconfig=str(kubeconfig), context="two", namespace="mine"))
    assert said(found)[:2] == ("https://there:6443", "mine")


def test_endpoint_without_a_key_is_refused(kubeconfig: Path) -> None:
    with pytest.raises(InvalidConfig, match="an endpoint needs a key"):
        connect(Settings(endpoint="https://elsewhere", kubeconfig=str(kubeconfig)))


WRONG: list[tuple[Settings, str]] = [
    (Settings(), "no cluster is known: give endpoint and api_key"),
    (Settings(KEY, "a:1"), "must be like https://host:6443"),
    (Settings(KEY, "http://a:1"), "must be https: the key must not travel in clear"),
    (Settings(KEY, "https://a", ca_file="/no/such"), "ca_file: /no/such is not a file"),
    (Settings(KEY, "https://a", namespace="A_B"), "lower-case letters"),
    (Settings(KEY, kubeconfig="/no/such"), "kubeconfig: /no/such does not exist"),
    (Settings("two words", "https://a"), "api_key: must be one word"),
    (Settings("", "https://a"), "api_key: must be one word"),
    (Settings("schlüssel", "https://a"), "api_key: must be one word"),
]


@pytest.mark.parametrize(("settings", "words"), WRONG, ids=[words for _, words in WRONG])
def test_wrong_setting_is_refused_with_its_reason(settings: Settings, words: str) -> None:
    with pytest.raises(InvalidConfig, match=words):
        connect(settings)


def test_unknown_context_is_refused(kubeconfig: Path) -> None:
    with pytest.raises(InvalidConfig, match=r"cannot be used: .*three"):
        connect(Settings(kubeconfig=str(kubeconfig), context="three"))


def test_loopback_endpoint_needs_no_tls() -> None:
    assert connect(Settings(KEY, "http://127.0.0.1:8001")).server == "http://127.0.0.1:8001"
