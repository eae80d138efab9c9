"""The lab recognizes its processes by pid and command line."""

import signal
import subprocess
import sys

from stargate_lab.host import processes


def test_new_process_is_found_by_its_command_line() -> None:
    for _ in range(20):
        with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(9)", "me"]) as child:
            assert processes.is_running(child.pid, "me")
            child.kill()


def test_pid_of_another_program_is_not_running() -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(9)"]) as child:
        assert not processes.is_running(child.pid, "stargate_operator")
        child.kill()


def test_a_zombie_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    processes.end(child.pid, "", signal.SIGKILL)

    assert not processes.is_running(child.pid)
    child.wait()
