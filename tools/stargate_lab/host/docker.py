"""The Docker engine that `docker` reaches, which `DOCKER_HOST` may place elsewhere."""

import shutil
import subprocess

from stargate_lab.host.output import last_lines


class DockerError(RuntimeError):
    """No Docker engine answers, or a command failed; the message holds the end of its output."""


def docker(*arguments: str, seconds: float | None = None) -> str:
    """Runs docker and returns its output. `seconds` limits its time."""
    done = _run(arguments, seconds)
    if done.returncode:
        raise DockerError(f"docker {' '.join(arguments[:3])} failed:\n{last_lines(done)}")
    return done.stdout.strip()


def succeeds(*arguments: str, seconds: float | None = None) -> bool:
    return _run(arguments, seconds).returncode == 0


def require() -> None:
    """Raises an error of one line if no engine answers."""
    if shutil.which("docker") is None:
        raise DockerError("no `docker` on PATH: install Docker to build images and run kind")
    if not succeeds("version", seconds=30):
        raise DockerError("`docker version` fails: start Docker, or set DOCKER_HOST to an engine")


def has_image(name: str) -> bool:
    return succeeds("image", "inspect", name)


def architecture() -> str:
    return docker("version", "--format", "{{.Server.Arch}}")


def _run(arguments: tuple[str, ...], seconds: float | None) -> "subprocess.CompletedProcess[str]":
    command = ["docker", *arguments]
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"no answer within {seconds:g} s")
