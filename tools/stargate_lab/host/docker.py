"""The Docker engine that `docker` reaches, which `DOCKER_HOST` may place elsewhere."""

import shutil
import subprocess


class DockerError(RuntimeError):
    """There is no engine, or it said no; the message holds its words."""


def docker(*arguments: str, seconds: float | None = None) -> str:
    """What it prints; `seconds` is how long it may take."""
    done = _run(arguments, seconds)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise DockerError(f"docker {' '.join(arguments[:3])}: {said}")
    return done.stdout.strip()


def succeeds(*arguments: str, seconds: float | None = None) -> bool:
    return _run(arguments, seconds).returncode == 0


def require() -> None:
    """Says in a line what is missing, where no engine answers."""
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
