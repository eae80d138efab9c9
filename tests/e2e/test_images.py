"""The images run as an unprivileged user with a read-only file system."""

import subprocess

import pytest

from stargate_lab.host import docker
from stargate_lab.host.docker import docker as run
from stargate_lab.toolchain.images import IMAGES, OPERATOR, TRAINER, Image


@pytest.fixture(autouse=True)
def _engine() -> None:
    docker.require()


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_image_user_is_numeric_and_not_root(image: Image) -> None:
    """The kubelet cannot verify that a user name is not root."""
    user = run("image", "inspect", "--format", "{{.Config.User}}", image.tag)
    assert int(user.partition(":")[0]) > 0


@pytest.mark.parametrize(
    ("image", "arguments", "says"),
    [
        (OPERATOR, ["run", "--help"], "stargate-operator run"),
        (TRAINER, [], "STARGATE_REPORT_URL is not set"),
    ],
    ids=["operator", "trainer"],
)
def test_image_runs_on_read_only_file_system(image: Image, arguments: list[str], says: str) -> None:
    command = ["docker", "run", "--rm", "--read-only", "--network", "none", image.tag, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert says in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
