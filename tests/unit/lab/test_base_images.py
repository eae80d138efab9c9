"""A base made of Debian packages keeps every library that its programs need, and their links."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from stargate_lab.host.paths import REPO

STRIP = REPO / "images" / "base" / "strip"
PROGRAMS = (
    *("bash", "cat", "comm", "find", "grep", "ldd", "mktemp"),
    *("readlink", "rm", "sed", "sort", "tr", "xargs"),
)
LIBRARIES = Path("usr/lib/x86_64-linux-gnu")
CHROOT = ("chroot",) if os.geteuid() == 0 else ("unshare", "--map-root-user", "chroot")


class Root:
    """A directory with the few programs that the script runs, in Debian's layout."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for folder in ("usr/bin", "usr/sbin", "usr/share", "tmp", "dev", "etc", "usr/lib/python3"):
            (path / folder).mkdir(parents=True)
        (path / LIBRARIES).mkdir()
        (path / "usr/lib/python3/dist-packages").mkdir()
        (path / "dev/null").touch()
        (path / "bin").symlink_to("usr/bin")
        for program in PROGRAMS:
            self._copy_program(program)
        dpkg = path / "usr/bin/dpkg"
        dpkg.write_text("#!/bin/bash\n")
        dpkg.chmod(0o755)

    def library(self, name: str) -> Path:
        """A file that no program is linked to."""
        path = self.path / LIBRARIES / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        return path

    def link(self, path: str, target: str) -> Path:
        link = self.path / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)
        return link

    def strip(self) -> "subprocess.CompletedProcess[str]":
        """As from-debian calls it."""
        (self.path / "etc/stargate-base").touch()
        with STRIP.open() as script:
            return subprocess.run(
                [*CHROOT, str(self.path), "bash", "-s"],
                stdin=script,
                capture_output=True,
                text=True,
                check=False,
            )

    def _copy_program(self, name: str) -> None:
        found = shutil.which(name)
        assert found, name
        shutil.copy(Path(found).resolve(), self.path / "usr/bin" / name)
        listed = subprocess.run(["ldd", found], capture_output=True, text=True, check=False).stdout
        for word in listed.split():
            if word.startswith("/"):
                target = self.path / word.lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(Path(word).resolve(), target)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    probe = subprocess.run([*CHROOT, "/", "true"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("neither root nor a user namespace: chroot is not allowed here")
    return Root(tmp_path / "root")


def test_links_through_alternatives_survive_stripping(root: Root) -> None:
    root.library("blas/libblas.so.3")
    root.link(f"{LIBRARIES}/libblas.so.3", "/etc/alternatives/libblas.so.3")
    root.link("etc/alternatives/libblas.so.3", f"/{LIBRARIES}/blas/libblas.so.3")
    module = root.link("usr/lib/python3/uses_blas.so", f"/{LIBRARIES}/libblas.so.3")

    done = root.strip()

    assert done.returncode == 0, done.stderr
    assert (root.path / LIBRARIES / "libblas.so.3").is_symlink()
    assert (root.path / LIBRARIES / "blas/libblas.so.3").exists()
    assert module.is_symlink()


def test_links_resolving_only_on_host_are_removed(root: Root) -> None:
    dangling = root.link(f"{LIBRARIES}/libhost.so.1", str(STRIP))
    assert dangling.exists(), "outside of the root it leads to a file"

    assert root.strip().returncode == 0
    assert not dangling.is_symlink()


def test_libraries_that_nothing_needs_are_removed(root: Root) -> None:
    unused = root.library("libunused.so.1")

    assert root.strip().returncode == 0
    assert not unused.exists()


def test_strip_refuses_roots_of_any_other_origin() -> None:
    done = subprocess.run(
        ["bash", str(STRIP)], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "not a root that from-debian makes" in done.stderr
