"""The sources of Prometheus: PATH, the cache, its release, Debian; never unverified."""

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from stargate_lab.toolchain.pinned_tools import Platform
from stargate_lab.toolchain.prometheus import NAMES, VERSION, PrometheusError, ensure
from stargate_lab.toolchain.releases import Hosts

HERE = Platform.here()
STEM = f"prometheus-{VERSION}.{HERE.os}-{HERE.arch}"
APT = """#!/bin/sh
PATH=/usr/bin:/bin
case "$1" in
  update) touch {lists} ;;
  download) test -e {lists} && touch prometheus_2.42_amd64.deb ;;
esac
"""
DPKG = """#!/bin/sh
PATH=/usr/bin:/bin
mkdir -p "$3/usr/bin" && echo debian > "$3/usr/bin/prometheus" && echo debian > "$3/usr/bin/promtool"
"""


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of programs on PATH, empty at first."""
    monkeypatch.setenv("STARGATE_CACHE", str(tmp_path / "cache"))
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    return programs


def program(path: Path, name: str, text: str = "#!/bin/sh\n") -> None:
    (path / name).write_text(text)
    (path / name).chmod(0o755)


def debian(path: Path) -> None:
    """A fresh machine: apt has no lists of packages yet."""
    program(path, "apt-get", APT.format(lists=path / "lists"))
    program(path, "dpkg-deb", DPKG)


def published(folder: Path, *, checksum: str = "") -> Hosts:
    release = folder / f"prometheus/prometheus/releases/download/v{VERSION}"
    release.mkdir(parents=True)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name in NAMES:
            entry = tarfile.TarInfo(f"{STEM}/{name}")
            entry.size = len(b"released\n")
            archive.addfile(entry, io.BytesIO(b"released\n"))
    (release / f"{STEM}.tar.gz").write_bytes(buffer.getvalue())
    known = checksum or hashlib.sha256(buffer.getvalue()).hexdigest()
    (release / "sha256sums.txt").write_text(f"{known}  {STEM}.tar.gz\n")
    return Hosts(github=folder.as_uri())


def nowhere(folder: Path) -> Hosts:
    return Hosts(github=(folder / "nothing").as_uri())


def test_a_verified_release_is_taken_apart_once(tmp_path: Path) -> None:
    said: list[str] = []
    hosts = published(tmp_path / "github")
    found = ensure(said.append, hosts)
    assert {path.read_text() for path in found.values()} == {"released\n"}
    assert "sha256 verified" in said[0]
    assert ensure(said.append, nowhere(tmp_path)) == found
    assert len(said) == 1


def test_program_on_path_is_not_downloaded(path: Path, tmp_path: Path) -> None:
    for name in NAMES:
        program(path, name)
    assert ensure(hosts=nowhere(tmp_path)) == {name: path / name for name in NAMES}


def test_missing_release_falls_back_to_debian_package(path: Path, tmp_path: Path) -> None:
    debian(path)
    said: list[str] = []
    found = ensure(said.append, nowhere(tmp_path))
    assert {each.read_text() for each in found.values()} == {"debian\n"}
    assert said == ["prometheus: taken from Debian's prometheus_2.42_amd64.deb"]


def test_release_with_wrong_checksum_is_not_used(path: Path, tmp_path: Path) -> None:
    debian(path)
    found = ensure(lambda _: None, published(tmp_path / "github", checksum="0" * 64))
    assert {each.read_text() for each in found.values()} == {"debian\n"}


def test_error_without_prometheus_names_all_sources(tmp_path: Path) -> None:
    with pytest.raises(PrometheusError, match=r"releases/download.*apt-get"):
        ensure(lambda _: None, nowhere(tmp_path))
