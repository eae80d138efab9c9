"""`kubectl stargate` through its console script, against a job that an operator runs."""

import json
import os
import pty
import signal
import subprocess
from typing import Any

from stargate_lab.cluster.control_plane import ControlPlane
from stargate_lab.toolchain import binaries
from tests.kit.blocks import Blocks
from tests.kit.racks import Racks
from tests.kit.shell import BIN, Shell
from tests.kit.story import Story
from tests.kit.training_config import config


def test_job_lifecycle_works_on_command_line(shell: Shell, story: Story) -> None:
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


def test_piped_watch_prints_a_line_per_change(shell: Shell, story: Story) -> None:
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


def test_watch_of_a_failed_job_exits_nonzero(shell: Shell, story: Story) -> None:
    job = story.apply("job", restartPolicy={"maxRestarts": 0})
    job.wait_phase("Running")
    job.kill(0, 1)
    job.wait_phase("Failed")
    assert shell.run("watch", "job").returncode == 1


def test_ctrl_c_ends_watch_on_a_terminal(shell: Shell, story: Story) -> None:
    story.apply("job").wait_phase("Running")
    our_end, their_end = pty.openpty()
    watching = subprocess.Popen(
        [str(BIN / "kubectl-stargate"), "watch", "job"],
        env=shell.environment | {"TERM": "xterm-256color", "COLUMNS": "110", "LINES": "40"},
        stdin=their_end,
        stdout=their_end,
        stderr=their_end,
        preexec_fn=_enable_ctrl_c,
    )
    os.close(their_end)
    seen = b""
    while b"all 2 workers running" not in seen:
        seen += os.read(our_end, 65536)
    watching.send_signal(signal.SIGINT)
    while chunk := _read(our_end):
        seen += chunk
    os.close(our_end)

    assert watching.wait(20) == 130
    assert b"\x1b[32m" in seen
    assert b"Traceback" not in seen


def _enable_ctrl_c() -> None:
    """Enables SIGINT, as a terminal does: tests in a background job inherit a disabled one."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_missing_logs_of_simulated_node_are_explained(shell: Shell, story: Story) -> None:
    """A simulated node has no logs. The end-to-end tests read the logs of a real node."""
    story.apply("job").wait_phase("Running")
    code, error = shell.fails("logs", "job", "--rank", "1")
    assert code == 5
    assert "containerLogs" in error
    assert shell.fails("logs", "job", "--rank", "2") == (
        2,
        f"error: the rank is not valid: it must be 0 to 1, the ranks of {story.namespace}/job;"
        " it is 2",
    )


def test_kubectl_plugin_runs_and_completes_words(
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
    """Returns nothing after the other side is closed."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


def test_check_explains_placement_before_submission(
    shell: Shell, story: Story, racks: Racks, blocks: Blocks
) -> None:
    rack = racks.build(2)
    blocks.wait(blocks.of(rack), rack, free_nodes=2)

    def request(nodes: int, **more: Any) -> str:
        return json.dumps(config(nodes, accelerator_type=rack, **more))

    place = {"placement": {"compute_block": rack}}
    screen = shell.says("check", "-f", "-", stdin=request(2, scheduling=place))
    assert screen.startswith("Yes: it would start now.")
    assert f"{rack}   yes      2" in screen

    never = shell.run("check", "-f", "-", "-o", "json", stdin=request(3, scheduling=place))
    assert never.returncode == 7
    found = json.loads(never.stdout)
    assert found["answer"] == "Never"
    assert [(each["reason"], each["found"]) for each in found["reasons"]] == [("TooFewNodes", 2)]

    story.apply("tenant", nodes=1, acceleratorType=rack).wait_phase("Running")
    blocks.wait(rack, rack, free_nodes=1)
    full = shell.run("check", "-f", "-", stdin=request(2))
    assert full.returncode == 6
    assert full.stdout.startswith("Not now:\n")
    assert "room for 1 of 2 workers now, for 2 if nothing else ran" in full.stdout


def test_check_suggests_the_intended_accelerator_type(shell: Shell, story: Story) -> None:
    wrong = config(1, accelerator_type="stargate_silicon_v3")
    done = shell.run("check", "-f", "-", stdin=json.dumps(wrong))
    assert done.returncode == 7
    assert "did you mean 'stargate_silicon_v2'?" in done.stdout
    assert story.namespace
