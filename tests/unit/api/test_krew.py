"""The krew plugin: its manifest names the built archive, and the plugin in the archive runs."""

import hashlib
import os
import runpy
import subprocess
import sys
import tarfile
from pathlib import Path

import yaml

REPO = Path(__file__).parents[3]
build = runpy.run_path(str(REPO / "tools" / "krew" / "build.py"))["build"]


def test_manifest_names_the_archive_and_its_digest(tmp_path: Path) -> None:
    archive, manifest = build(tmp_path)
    (platform,) = yaml.safe_load(manifest.read_text())["spec"]["platforms"]
    assert platform["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()
    assert platform["uri"].endswith(archive.name)
    with tarfile.open(archive) as tar:
        assert {each["from"] for each in platform["files"]} == set(tar.getnames())
        assert platform["bin"] in tar.getnames()


def test_two_builds_give_the_same_archive(tmp_path: Path) -> None:
    first, second = build(tmp_path / "a")[0], build(tmp_path / "b")[0]
    assert first.read_bytes() == second.read_bytes()


def test_plugin_runs_with_the_installed_package(tmp_path: Path) -> None:
    with tarfile.open(build(tmp_path)[0]) as tar:
        tar.extractall(tmp_path / "plugin", filter="data")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [str(tmp_path / "plugin" / "kubectl-stargate"), "version", "--client"],
        env={**os.environ, "PATH": path, "PYTHONPATH": str(REPO / "operator")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "stargate.dev/v1alpha1" in done.stdout


def test_plugin_without_the_package_names_the_installers(tmp_path: Path) -> None:
    with tarfile.open(build(tmp_path)[0]) as tar:
        tar.extractall(tmp_path, filter="data")
    done = subprocess.run(
        ["/bin/sh", str(tmp_path / "kubectl-stargate"), "list"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "needs uv, pipx, or: python3 -m pip install 'stargate-operator[cli]==" in done.stderr
