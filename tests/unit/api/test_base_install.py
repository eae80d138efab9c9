"""The client needs only what `pip install stargate-operator` installs, and no extra."""

import subprocess
import sys
import tomllib
from pathlib import Path

REPO = Path(__file__).parents[3]
EXTRAS = ("kopf", "aiohttp", "msgspec", "structlog", "uvloop", "typer", "rich", "prometheus_client")


def run(program: str) -> "subprocess.CompletedProcess[str]":
    blocked = f"import sys; sys.modules.update(dict.fromkeys({EXTRAS!r}))\n"
    return subprocess.run(
        [sys.executable, "-c", blocked + program],
        cwd=REPO / "operator",
        capture_output=True,
        text=True,
        check=False,
    )


def test_client_imports_without_the_extras() -> None:
    done = run("import stargate_api; stargate_api.Client('k', endpoint='https://a')")
    assert done.returncode == 0, done.stderr


def test_command_line_names_the_missing_extra() -> None:
    done = run("from stargate_api.cli.__main__ import main; main()")
    assert done.returncode == 1
    assert done.stderr.strip().endswith("pip install 'stargate-operator[cli]'")
    assert "Traceback" not in done.stderr


def test_wheel_contains_the_typed_package() -> None:
    project = tomllib.loads((REPO / "pyproject.toml").read_text())
    shipped = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert "operator/stargate_api" in shipped
    assert (REPO / "operator" / "stargate_api" / "py.typed").exists()
