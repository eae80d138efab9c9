"""`kubectl stargate` through its console script, against a real API server and operator."""

import json
import os
import pty
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from stargate_lab import binaries
from stargate_lab.control_plane import ControlPlane
from tests.integration.blocks import Blocks
from tests.integration.people import People, Person
from tests.integration.racks import Racks
from tests.integration.story import Story, manifest
from tests.integration.test_client import config

BIN = Path(sys.executable).parent


@dataclass
class Shell:
    """Of a person who has exported how to reach the cluster."""

    person: Person
    folder: Path

    def run(self, *words: str, stdin: str = "", **more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(BIN / "kubectl-stargate"), *words],
            env=self.environment | more,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def says(self, *words: str, stdin: str = "") -> str:
        done = self.run(*words, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def fails(self, *words: str, stdin: str = "", **more: str) -> tuple[int, str]:
        done = self.run(*words, stdin=stdin, **more)
        assert done.stdout == ""
        return done.returncode, done.stderr.strip()

    def file(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)

    @property
    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("STARGATE_", "KUBE"))}
        return {**kept, **self.person.environment}


@pytest.fixture
def shell(people: People, tmp_path: Path) -> Shell:
    return Shell(people.researcher(), tmp_path)


def test_the_article_s_config_is_submitted_and_listed(shell: Shell, namespace: str) -> None:
    file = shell.file("config.json", json.dumps(config()))
    job_id = shell.says("submit", "-f", file, "-o", "name")
    assert job_id.startswith(f"{namespace}/stargate-materia-v3-")

    header, line = shell.says("list").splitlines()
    assert header.split()[:2] == ["NAME", "PHASE"]
    assert line.split()[:3] == [job_id.rpartition("/")[2], "Pending", "0/2"]
    assert "Stargate-Materia-v3" in shell.says("list", "-o", "wide")
    assert json.loads(shell.says("list", "-o", "json"))["items"][0]["spec"]["epochs"] == 100


def test_a_manifest_is_submitted_in_its_own_name(shell: Shell, namespace: str) -> None:
    text = yaml.safe_dump(manifest("mine"))
    assert shell.says("submit", "-f", "-", stdin=text) == f"{namespace}/mine submitted"
    found = yaml.safe_load(shell.says("status", "mine", "-o", "yaml"))
    assert (found["kind"], found["metadata"]["name"]) == ("StargateJob", "mine")
    code, said = shell.fails("submit", "-f", "-", stdin=text)
    assert (code, said) == (
        1,
        f"error: a job {namespace}/mine exists already: delete it, or choose another name",
    )


def test_the_same_request_is_submitted_once(shell: Shell) -> None:
    file = shell.file("config.yaml", yaml.safe_dump(config()))
    first = shell.says("submit", "-f", file, "--request-id", "sweep-7", "-o", "name")
    assert shell.says("submit", "-f", file, "--request-id", "sweep-7", "-o", "name") == first


def test_what_is_wrong_with_a_config_is_told(shell: Shell) -> None:
    code, said = shell.fails("submit", "-f", "-", stdin=json.dumps(config(epohs=3, epochs="x")))
    assert code == 2
    assert "epochs: must be a whole number; it is the text 'x'" in said
    assert "epohs: is unknown; did you mean epochs?" in said


@pytest.mark.parametrize("command", ["submit", "check"])
def test_it_is_told_before_any_cluster_is_asked_for(shell: Shell, command: str) -> None:
    nowhere = {"STARGATE_ENDPOINT": "https://127.0.0.1:1"}
    text = json.dumps(config(epohs=3))
    code, said = shell.fails(command, "-f", "-", stdin=text, **nowhere)
    assert (code, "epohs: is unknown" in said) == (2, True)


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


@pytest.mark.parametrize(("words", "code", "told"), WRONG, ids=[" ".join(w) for w, *_ in WRONG])
def test_what_goes_wrong_has_words_and_a_code(
    shell: Shell, words: tuple[str, ...], code: int, told: str
) -> None:
    found, said = shell.fails(*words)
    assert found == code
    assert told in said
    assert "Traceback" not in said
    assert shell.person.key not in said


def test_a_server_that_is_not_there_has_a_code_of_its_own(shell: Shell) -> None:
    code, said = shell.fails("list", STARGATE_ENDPOINT="https://127.0.0.1:1")
    assert code == 5
    assert "nothing listens there" in said


def test_a_life_on_the_command_line(shell: Shell, story: Story) -> None:
    job = story.apply("job")
    job.wait_phase("Running")

    screen = shell.says("status", "job")
    assert "all 2 workers running" in screen
    assert "✓  ready" in screen
    assert "\x1b" not in screen

    assert shell.says("suspend", "job").endswith("/job is being suspended")
    job.wait_condition("Suspended", "True", "Suspended")
    assert "Suspended" in shell.says("status", "job").splitlines()[0]
    assert shell.says("resume", "job").endswith("/job goes on")
    job.wait_phase("Running", attempt=2)

    job.kill(1, 1, message="loss is NaN in layer 7")
    job.wait_phase("Running", attempt=3)
    screen = shell.says("status", "job")
    assert "rank 1 on" in screen
    assert "loss is NaN in layer 7" in screen

    assert shell.says("cancel", "job").endswith("/job deleted")
    job.wait_gone()
    assert shell.fails("watch", "job")[0] == 4


def test_a_watch_in_a_pipe_is_a_line_for_each_change(shell: Shell, story: Story) -> None:
    job = story.apply("job")
    job.wait_phase("Running")
    watching = subprocess.Popen(
        [str(BIN / "kubectl-stargate"), "watch", "job"],
        env=shell.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert watching.stdout is not None
    assert watching.stdout.readline().endswith("  Running, 2 of 2 nodes run\n")
    job.worker().trains_to(40)
    assert "Running, epoch 40 of 100 (40 %)" in watching.stdout.readline()
    job.finish()
    rest, _ = watching.communicate(timeout=60)

    assert watching.returncode == 0
    assert rest.splitlines()[-1].split("  ")[1].startswith("Succeeded")
    assert "\x1b" not in rest


def test_a_watch_of_a_job_that_fails_fails(shell: Shell, story: Story) -> None:
    job = story.apply("job", restartPolicy={"maxRestarts": 0})
    job.wait_phase("Running")
    job.kill(0, 1)
    job.wait_phase("Failed")
    assert shell.run("watch", "job").returncode == 1


def test_on_a_terminal_a_watch_is_a_screen_that_ctrl_c_leaves(shell: Shell, story: Story) -> None:
    story.apply("job").wait_phase("Running")
    ours, theirs = pty.openpty()
    watching = subprocess.Popen(
        [str(BIN / "kubectl-stargate"), "watch", "job"],
        env=shell.environment | {"TERM": "xterm-256color", "COLUMNS": "110", "LINES": "40"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        preexec_fn=_heed_ctrl_c,
    )
    os.close(theirs)
    seen = b""
    while b"all 2 workers running" not in seen:
        seen += os.read(ours, 65536)
    watching.send_signal(signal.SIGINT)
    while chunk := _read(ours):
        seen += chunk
    os.close(ours)

    assert watching.wait(20) == 130
    assert b"\x1b[32m" in seen
    assert b"Traceback" not in seen


def _heed_ctrl_c() -> None:
    """As on every terminal, also where the tests run in a background that ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_logs_that_no_kubelet_has_are_explained(shell: Shell, story: Story) -> None:
    """A simulated node has none; what a real one prints is shown in the end-to-end tests."""
    story.apply("job").wait_phase("Running")
    code, said = shell.fails("logs", "job", "--rank", "1")
    assert code == 5
    assert "containerLogs" in said
    assert shell.fails("logs", "job", "--rank", "2") == (
        2,
        f"error: the rank is not valid: it must be 0 to 1, the ranks of {story.namespace}/job;"
        " it is 2",
    )


def test_compute_and_version(shell: Shell) -> None:
    assert shell.run("compute", "--min-nodes", "99999").stderr.strip() == "No compute block fits."
    versions = dict(line.split(":", 1) for line in shell.says("version").splitlines())
    assert versions["api"].strip() == "stargate.dev/v1alpha1"
    assert versions["kubernetes"].strip().startswith("v1.")
    assert "kubernetes" not in shell.says("version", "--client")


def test_it_is_a_plugin_of_kubectl_and_completes(
    plane: ControlPlane, shell: Shell, namespace: str, story: Story
) -> None:
    story.apply("job")
    kubectl = binaries.ensure(["kubectl"])["kubectl"]

    def ask(*words: str) -> Any:
        path = f"{BIN}:{os.environ['PATH']}"
        env = {**os.environ, "PATH": path, "KUBECONFIG": str(plane.kubeconfig)}
        done = subprocess.run(
            [str(kubectl), *words], env=env, capture_output=True, text=True, check=True
        )
        return done.stdout.splitlines()

    assert ask("stargate", "list", "-n", namespace)[1].split()[0] == "job"
    assert ask("__complete", "stargate", "status", "-n", namespace, "j") == ["job", ":4"]
    assert ask("__complete", "stargate", "sus")[0].startswith("suspend")
    assert shell.says("list")


def _read(terminal: int) -> bytes:
    """Nothing once the other side is closed."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


def test_check_says_whether_where_and_why_before_anything_is_submitted(
    shell: Shell, story: Story, racks: Racks, blocks: Blocks
) -> None:
    rack = racks.build(2)
    blocks.wait(blocks.of(rack), rack, free_nodes=2)

    def asking(nodes: int, **more: Any) -> str:
        return json.dumps(config(nodes, accelerator_type=rack, **more))

    place = {"placement": {"compute_block": rack}}
    said = shell.says("check", "-f", "-", stdin=asking(2, scheduling=place))
    assert said.startswith("Yes: it would start now.")
    assert f"{rack}   yes      2" in said

    never = shell.run("check", "-f", "-", "-o", "json", stdin=asking(3, scheduling=place))
    assert never.returncode == 7
    found = json.loads(never.stdout)
    assert found["answer"] == "Never"
    assert [(each["reason"], each["found"]) for each in found["reasons"]] == [("TooFewNodes", 2)]

    story.apply("tenant", nodes=1, acceleratorType=rack).wait_phase("Running")
    blocks.wait(rack, rack, free_nodes=1)
    full = shell.run("check", "-f", "-", stdin=asking(2))
    assert full.returncode == 6
    assert full.stdout.startswith("Not now:\n")
    assert "room for 1 of 2 workers now, for 2 if nothing else ran" in full.stdout


def test_check_names_the_accelerator_type_that_was_meant(shell: Shell, story: Story) -> None:
    wrong = config(1, accelerator_type="stargate_silicon_v3")
    done = shell.run("check", "-f", "-", stdin=json.dumps(wrong))
    assert done.returncode == 7
    assert "did you mean 'stargate_silicon_v2'?" in done.stdout
    assert story.namespace
