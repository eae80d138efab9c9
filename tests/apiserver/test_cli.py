"""`kubectl stargate` through its console script, against an API server without an operator."""

import json

import pytest
import yaml

from tests.kit.shell import Shell
from tests.kit.story import manifest
from tests.kit.training_config import config


def test_article_s_config_is_submitted_and_listed(shell: Shell, namespace: str) -> None:
    file = shell.file("config.json", json.dumps(config()))
    job_id = shell.says("submit", "-f", file, "-o", "name")
    assert job_id.startswith(f"{namespace}/stargate-materia-v3-")

    header, line = shell.says("list").splitlines()
    assert header.split()[:2] == ["NAME", "PHASE"]
    assert line.split()[:3] == [job_id.rpartition("/")[2], "Pending", "0/2"]
    assert "Stargate-Materia-v3" in shell.says("list", "-o", "wide")
    assert json.loads(shell.says("list", "-o", "json"))["items"][0]["spec"]["epochs"] == 100


def test_manifest_is_submitted_once_under_its_name(shell: Shell, namespace: str) -> None:
    text = yaml.safe_dump(manifest("mine"))
    assert shell.says("submit", "-f", "-", stdin=text) == f"{namespace}/mine submitted"
    found = yaml.safe_load(shell.says("status", "mine", "-o", "yaml"))
    assert (found["kind"], found["metadata"]["name"]) == ("StargateJob", "mine")
    code, error = shell.fails("submit", "-f", "-", stdin=text)
    assert (code, error) == (
        1,
        f"error: a job {namespace}/mine exists already: delete it, or choose another name",
    )


def test_repeated_request_id_submits_one_job(shell: Shell) -> None:
    file = shell.file("config.yaml", yaml.safe_dump(config()))
    first = shell.says("submit", "-f", file, "--request-id", "sweep-7", "-o", "name")
    assert shell.says("submit", "-f", file, "--request-id", "sweep-7", "-o", "name") == first


def test_invalid_config_is_refused_with_field_errors(shell: Shell) -> None:
    code, error = shell.fails("submit", "-f", "-", stdin=json.dumps(config(epohs=3, epochs="x")))
    assert code == 2
    assert "epochs: must be a whole number; it is the text 'x'" in error
    assert "epohs: is unknown; did you mean epochs?" in error


@pytest.mark.parametrize("command", ["submit", "check"])
def test_invalid_config_is_refused_before_any_connection(shell: Shell, command: str) -> None:
    nowhere = {"STARGATE_ENDPOINT": "https://127.0.0.1:1"}
    text = json.dumps(config(epohs=3))
    code, error = shell.fails(command, "-f", "-", stdin=text, **nowhere)
    assert (code, "epohs: is unknown" in error) == (2, True)


WRONG: list[tuple[tuple[str, ...], int, str]] = [
    (("submit", "-f", "/no/such"), 2, "/no/such is not valid: it cannot be read"),
    (("submit", "-f", "-"), 2, "stdin is not valid: it must hold a StargateJob"),
    (("submit",), 2, "--file"),
    (("status", "nobody"), 4, "there is no job nobody"),
    (("status", "No/Job"), 2, "it must be namespace/name"),
    (("list", "-n", "kube-system"), 3, "may not list stargatejobs in namespace kube-system"),
    (("list", "-A"), 3, "in the whole cluster"),
    (("explode",), 2, "No such command"),
]


@pytest.mark.parametrize(("words", "code", "message"), WRONG, ids=[" ".join(w) for w, *_ in WRONG])
def test_error_has_a_message_and_exit_code(
    shell: Shell, words: tuple[str, ...], code: int, message: str
) -> None:
    found, error = shell.fails(*words)
    assert found == code
    assert message in error
    assert "Traceback" not in error
    assert shell.person.key not in error


def test_unreachable_server_has_its_own_exit_code(shell: Shell) -> None:
    code, error = shell.fails("list", STARGATE_ENDPOINT="https://127.0.0.1:1")
    assert code == 5
    assert "nothing listens there" in error


def test_compute_and_version_commands_query_the_server(shell: Shell) -> None:
    assert shell.run("compute", "--min-nodes", "99999").stderr.strip() == "No compute block fits."
    versions = dict(line.split(":", 1) for line in shell.says("version").splitlines())
    assert versions["api"].strip() == "stargate.dev/v1alpha1"
    assert versions["kubernetes"].strip().startswith("v1.")
    assert "kubernetes" not in shell.says("version", "--client")
