"""What the lab believes of a pid."""

import signal
import subprocess
import sys

from stargate_lab.host import processes


def test_a_process_is_known_by_its_command_line_from_the_first_moment() -> None:
    for _ in range(20):
        with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(9)", "me"]) as child:
            assert processes.is_running(child.pid, "me")
            child.kill()


def test_a_pid_that_another_program_has_now_is_not_ours() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(9)"]) as child:
        assert not processes.is_running(child.pid, "stargate_operator")
        child.kill()


def test_a_zombie_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    processes.end(child.pid, "", signal.SIGKILL)

    assert not processes.is_running(child.pid)
    child.wait()
