"""Images: the base of each, the modules that it imports, and the error without a base."""

import importlib.util
import os
import re
from pathlib import Path
from unittest.mock import Mock

import pytest

from stargate_lab.__main__ import main
from stargate_lab.host import docker
from stargate_lab.host.docker import DockerError
from stargate_lab.host.paths import REPO
from stargate_lab.toolchain import images
from stargate_lab.toolchain.images import IMAGES, OPERATOR, TRAINER, ImageError


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `docker` that has the images named in a file, and reaches no registry."""
    held = tmp_path / "images"
    held.touch()
    script = f"""#!/bin/sh
case "$1 $2" in
  "image inspect") grep -qxF "$3" {held} ;;
  "pull --quiet") exit 1 ;;
esac
"""
    program = tmp_path / "docker"
    program.write_text(script)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return held


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_public_base_is_that_of_the_dockerfile(image: images.Image) -> None:
    assert image.public_base in (image.sources / "Dockerfile").read_text()
    assert ":" in image.public_base, "a version, not whatever is latest"


def test_the_environment_may_name_another_base(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPERATOR_BASE", "example.org/python:3.12")
    assert images.base_of(OPERATOR, print) == "example.org/python:3.12"


def test_existing_public_base_is_used(engine: Path) -> None:
    engine.write_text(TRAINER.public_base)
    assert images.base_of(TRAINER, print) == TRAINER.public_base


@pytest.mark.usefixtures("engine")
def test_error_without_registry_and_root_names_the_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ImageError, match="OPERATOR_BASE"):
        images.base_of(OPERATOR, print)


def test_missing_docker_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(DockerError) as error:
        docker.require()
    assert "install Docker" in str(error.value)
    assert "\n" not in str(error.value)


def test_stage_command_prepares_one_build_context(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def install(image: images.Image, site: Path, python: str) -> None:
        site.mkdir()
        (site / f"{image.extra}-for-{python}").touch()

    monkeypatch.setattr(docker, "require", lambda: None)
    monkeypatch.setattr(images, "RUN_DIR", tmp_path)
    monkeypatch.setattr(images, "_python_of", {"some.org/base:1": "3.13"}.__getitem__)
    monkeypatch.setattr(images, "_install", install)
    monkeypatch.setenv("OPERATOR_BASE", "some.org/base:1")

    assert main(["images", "--stage", "operator"]) == 0

    context = Path(capsys.readouterr().out.strip())
    assert context == tmp_path / "images" / "operator", "where the release workflow builds it"
    assert (context / "Dockerfile").read_bytes() == (OPERATOR.sources / "Dockerfile").read_bytes()
    assert (context / "site" / "operator-for-3.13").exists()


def test_unknown_image_error_lists_the_known_images(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(docker, "require", lambda: None)
    assert main(["images", "--stage", "opreator"]) == 1
    assert "no image 'opreator'; there are operator, trainer" in capsys.readouterr().err


def test_failed_build_shows_last_lines_of_the_step(engine: Path) -> None:
    """The classic builder: the step's output on stdout, its own summary on stderr."""
    program = engine.with_name("docker")
    program.write_text("""#!/bin/sh
seq 100
echo "ImportError: libblas.so.3: cannot open shared object file"
echo "The command '/bin/sh -c python3' returned a non-zero code: 1" >&2
exit 1
""")
    with pytest.raises(DockerError) as error:
        docker.docker("build", "--network", "none", ".")

    first, *said = str(error.value).splitlines()
    assert first == "docker build --network none failed:"
    assert said[-2].startswith("ImportError: libblas.so.3")
    assert said[-1].startswith("The command '/bin/sh -c python3' returned")
    assert len(said) < 30


@pytest.mark.usefixtures("engine")
def test_base_is_rebuilt_when_its_scripts_change(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    make = Mock()
    monkeypatch.setattr(images, "_make_from_debian", make)
    for script in ("from-debian", "strip"):
        (tmp_path / script).write_text("one")
    monkeypatch.setattr(images, "_BASE", tmp_path)
    monkeypatch.setattr(images, "FROM_DEBIAN", tmp_path / "from-debian")

    images.base_of(TRAINER, print)
    (tmp_path / "strip").write_text("two")
    images.base_of(TRAINER, print)

    first, second = (call.args[1] for call in make.call_args_list)
    assert first != second


@pytest.mark.parametrize("dockerfile", sorted(REPO.glob("images/*/Dockerfile")), ids=str)
def test_modules_that_an_image_imports_exist(dockerfile: Path) -> None:
    modules = re.findall(r"import (stargate_[\w.]+)", dockerfile.read_text())

    missing = [module for module in modules if importlib.util.find_spec(module) is None]

    assert not missing, f"{dockerfile} imports modules that do not exist: {missing}"
