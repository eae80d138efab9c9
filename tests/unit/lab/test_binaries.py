"""The sources of the Kubernetes binaries, with release hosts of our own on the loopback."""

import hashlib
import io
import json
import os
import tarfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from stargate_lab.host.paths import REPO
from stargate_lab.host.ports import free_ports
from stargate_lab.toolchain import binaries, go_build, releases
from stargate_lab.toolchain.binaries import Source, ensure
from stargate_lab.toolchain.pinned_tools import CONTROL_PLANE, EXTRA, Platform, Tool, tool
from stargate_lab.toolchain.releases import Hosts, ReleaseError
from tests.conftest import needed

BINARY = b"#!/bin/sh\necho hello\n"
HERE = Platform.here()


@dataclass
class ReleaseHost:
    """Serves the given files and remembers what it was asked for."""

    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def hosts(self) -> Hosts:
        url = f"http://127.0.0.1:{self.port}"
        return Hosts(url, url, url, url)

    def publish(self, name: str, content: bytes = BINARY, claimed: bytes | None = None) -> None:
        """As its project publishes it, with the checksum of `claimed` (by default, the truth)."""
        release = releases.release_of(tool(name), HERE, Hosts("", "", "", ""))
        artifact = archive(release.member, content) if release.member else content
        checksum = hashlib.sha256(claimed or artifact).hexdigest()
        self.files[release.url] = artifact
        self.files[release.checksum] = checksum_file(name, release.file_name, checksum)


def archive(member: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        entry = tarfile.TarInfo(member)
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def checksum_file(name: str, file_name: str, checksum: str) -> bytes:
    match name:
        case "etcd" | "helm" | "kind":
            return f"{'0' * 64}  other.zip\n{checksum}  {file_name}\n".encode()
        case "kwok" | "kwokctl":
            asset = {"name": file_name, "digest": f"sha256:{checksum}"}
            return json.dumps({"assets": [{"name": "other"}, asset]}).encode()
        case _:
            return checksum.encode()


@pytest.fixture
def host() -> Iterator[ReleaseHost]:
    release_host = ReleaseHost()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            release_host.asked.append(self.path)
            body = release_host.files.get(self.path)
            self.send_response(200 if body is not None else 404)
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        release_host.port = server.server_port
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield release_host
        server.shutdown()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STARGATE_CACHE", str(tmp_path))
    monkeypatch.delenv("STARGATE_TOOLS_SOURCE", raising=False)
    return tmp_path


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Stands in for the Go build: the names of each invocation."""
    invocations: list[list[str]] = []

    def build(tools: Sequence[Tool], into: Path, _say: object) -> dict[str, Path]:
        invocations.append([t.name for t in tools])
        into.mkdir(exist_ok=True)
        return {t.name: write(into / t.built_name, b"built") for t in tools}

    monkeypatch.setattr(binaries, "build", build)
    return invocations


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", CONTROL_PLANE + EXTRA)
def test_a_verified_release_is_installed(host: ReleaseHost, name: str) -> None:
    host.publish(name)
    said: list[str] = []

    path = ensure([name], said.append, Source.RELEASE, host.hosts)[name]

    assert path.read_bytes() == BINARY
    assert os.access(path, os.X_OK)
    assert len(said) == 1
    assert said[0].startswith(f"{name} {tool(name).version}: downloaded from http://127.0.0.1")


def test_cached_binary_is_not_requested_again(host: ReleaseHost, built: list[list[str]]) -> None:
    host.publish("kubectl")
    first = ensure(["kubectl"], print, hosts=host.hosts)
    host.asked.clear()

    assert ensure(["kubectl"], print, hosts=host.hosts) == first
    assert not host.asked
    assert not built


def test_a_wrong_checksum_is_never_installed(host: ReleaseHost) -> None:
    host.publish("kubectl", claimed=b"something else")
    said: list[str] = []

    with pytest.raises(ReleaseError, match="no release of kubectl"):
        ensure(["kubectl"], said.append, Source.RELEASE, host.hosts)

    assert "its publisher says" in said[0]
    assert not (binaries.bin_dir() / "kubectl").exists()


@pytest.mark.parametrize("spoil", ["missing", "wrong checksum", "no checksum"])
def test_binaries_without_good_release_are_built_together(
    host: ReleaseHost, built: list[list[str]], spoil: str
) -> None:
    for name in ("etcd", "kubectl", "kwok"):
        host.publish(name)
    release = releases.release_of(tool("kwok"), HERE, Hosts("", "", "", ""))
    match spoil:
        case "missing":
            del host.files[release.url]
        case "wrong checksum":
            host.publish("kwok", claimed=b"x")
        case _:
            host.files[release.checksum] = b'{"assets": []}'

    paths = ensure(["etcd", "kubectl", "kwok", "kube-scheduler"], print, hosts=host.hosts)

    assert built == [["kwok", "kube-scheduler"]]
    assert paths["kubectl"].read_bytes() == BINARY
    assert paths["kwok"].read_bytes() == b"built"


def test_the_first_unreachable_host_ends_the_downloads(built: list[list[str]]) -> None:
    (nobody,) = free_ports(1)
    url = f"http://127.0.0.1:{nobody}"
    said: list[str] = []

    ensure(say=said.append, hosts=Hosts(url, url, url, url))

    assert built == [list(CONTROL_PLANE)]
    assert sum("out of reach" in line for line in said) == 1
    assert "built from Go modules in" in said[-1]


def test_build_asks_no_host(host: ReleaseHost, built: list[list[str]]) -> None:
    ensure(["kwok"], print, Source.BUILD, host.hosts)

    assert built == [["kwok"]]
    assert not host.asked


def test_an_interrupted_build_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_tools: object, into: Path, _say: object) -> dict[str, Path]:
        write(into / "kwok", b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(binaries, "build", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ensure(["kwok"], print, Source.BUILD)

    assert [p.name for p in binaries.bin_dir().iterdir()] == [".lock"]


def test_two_runs_at_once_build_once(built: list[list[str]]) -> None:
    runs = [threading.Thread(target=ensure, args=(["kwok"], print, Source.BUILD)) for _ in range(4)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()

    assert built == [["kwok"]]


@pytest.mark.parametrize(
    ("have", "enough"),
    [("go1.26.8", True), ("go1.27.0", True), ("go1.26rc1", False), ("go1.9.9", False), ("", False)],
)
def test_an_older_go_is_not_used(have: str, enough: bool) -> None:
    assert go_build.is_new_enough(have, "1.26.0") is enough


@pytest.mark.parametrize(
    ("name", "built_name"), [("etcd", "server"), ("kwok", "kwok"), ("kind", "kind")]
)
def test_go_names_a_binary_after_its_package(name: str, built_name: str) -> None:
    assert tool(name).built_name == built_name


def test_an_unknown_tool_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="unknown tool 'docker'; there are etcd"):
        ensure(["docker"])


@pytest.mark.parametrize(
    ("test", "module", "names"),
    [
        ("unit/decide/test_restart.py", "stargate_operator.decide", []),
        ("unit/chart/test_values.py", "stargate_lab.cluster.chart", ["helm"]),
        ("operator/test_life.py", "stargate_lab.cluster.control_plane", sorted(CONTROL_PLANE)),
        ("e2e/test_example.py", "stargate_lab.cluster.kind", sorted((*CONTROL_PLANE, "kind"))),
    ],
)
def test_test_run_needs_only_binaries_of_its_tests(
    test: str, module: str, names: list[str]
) -> None:
    assert needed([REPO / "tests" / test], [module]) == names
