"""Fetches a tool's official release and installs nothing whose checksum was not verified.

The first host that cannot be reached at all ends the attempt: on a machine without the Internet
each further host would cost another timeout, and the Go modules are there instead.
"""

import hashlib
import json
import shutil
import tarfile
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from stargate_lab.toolchain.pinned_tools import Platform, Tool

CONNECT_SECONDS = 8.0
_CHUNK = 1 << 20


class ReleaseError(RuntimeError):
    """This release cannot be used: it is not there, or it is not what its checksum says."""


class HostUnreachableError(ReleaseError):
    """The host does not answer; most likely the other hosts cannot be reached either."""


@dataclass(frozen=True)
class Hosts:
    kubernetes: str = "https://dl.k8s.io"
    github: str = "https://github.com"
    github_api: str = "https://api.github.com"
    helm: str = "https://get.helm.sh"


@dataclass(frozen=True)
class Release:
    """The URL of an artifact, the source of its checksum, and the binary's path in it."""

    url: str
    checksum: str
    read_checksum: Callable[[str, str], str]
    member: str = ""

    @property
    def file_name(self) -> str:
        return self.url.rsplit("/", 1)[1]


def release_of(tool: Tool, where: Platform, hosts: Hosts) -> Release:
    match tool.name:
        case "etcd":
            return _etcd(tool.version, where, hosts)
        case "helm":
            return _helm(tool.version, where, hosts)
        case "kind":
            return _kind(tool.version, where, hosts)
        case "kwok" | "kwokctl":
            return _kwok(tool.name, tool.version, where, hosts)
        case _:
            return _kubernetes(tool.name, tool.version, where, hosts)


def prometheus(version: str, where: Platform, hosts: Hosts) -> Release:
    """The release of Prometheus, an archive with several binaries; see `unpack`."""
    base = f"{hosts.github}/prometheus/prometheus/releases/download/v{version}"
    stem = f"prometheus-{version}.{where.os}-{where.arch}"
    return Release(f"{base}/{stem}.tar.gz", f"{base}/sha256sums.txt", _listed_checksum, stem)


def fetch(release: Release, to: Path) -> Path:
    """Leaves a verified, executable file at `to`, or raises."""
    artifact = fetch_artifact(release, to.with_name(to.name + ".artifact"))
    if release.member:
        unpack(artifact, release.member, to)
        artifact.unlink()
    else:
        artifact.rename(to)
        to.chmod(0o755)
    return to


def fetch_artifact(release: Release, to: Path) -> Path:
    """Downloads the published file and verifies it, or raises."""
    wanted = release.read_checksum(_text(release.checksum), release.file_name)
    found = _download(release.url, to)
    if found != wanted:
        to.unlink()
        raise ReleaseError(f"{release.url}: sha256 is {found}, its publisher says {wanted}")
    return to


def unpack(artifact: Path, member: str, to: Path) -> None:
    """Extracts one executable file from an archive."""
    with tarfile.open(artifact) as archive:
        source = archive.extractfile(member)
        if not source:
            raise ReleaseError(f"{artifact.name} holds no file {member}")
        with source, to.open("wb") as file:
            shutil.copyfileobj(source, file)
    to.chmod(0o755)


def _kubernetes(name: str, version: str, where: Platform, hosts: Hosts) -> Release:
    url = f"{hosts.kubernetes}/release/{version}/bin/{where.os}/{where.arch}/{name}"
    return Release(url, f"{url}.sha256", _bare_checksum)


def _etcd(version: str, where: Platform, hosts: Hosts) -> Release:
    base = f"{hosts.github}/etcd-io/etcd/releases/download/{version}"
    stem = f"etcd-{version}-{where.os}-{where.arch}"
    return Release(f"{base}/{stem}.tar.gz", f"{base}/SHA256SUMS", _listed_checksum, f"{stem}/etcd")


def _helm(version: str, where: Platform, hosts: Hosts) -> Release:
    url = f"{hosts.helm}/helm-{version}-{where.os}-{where.arch}.tar.gz"
    return Release(url, f"{url}.sha256sum", _listed_checksum, f"{where.os}-{where.arch}/helm")


def _kind(version: str, where: Platform, hosts: Hosts) -> Release:
    base = f"{hosts.github}/kubernetes-sigs/kind/releases/download/{version}"
    url = f"{base}/kind-{where.os}-{where.arch}"
    return Release(url, f"{url}.sha256sum", _listed_checksum)


def _kwok(name: str, version: str, where: Platform, hosts: Hosts) -> Release:
    """kwok publishes no checksum file; GitHub computes a digest of each asset on upload."""
    project = "kubernetes-sigs/kwok"
    url = f"{hosts.github}/{project}/releases/download/{version}/{name}-{where.os}-{where.arch}"
    api = f"{hosts.github_api}/repos/{project}/releases/tags/{version}"
    return Release(url, api, _asset_digest)


def _bare_checksum(text: str, file_name: str) -> str:
    words = text.split()
    if not words:
        raise ReleaseError(f"the checksum of {file_name} is empty")
    return words[0]


def _listed_checksum(text: str, file_name: str) -> str:
    for line in text.splitlines():
        match line.split():
            case [checksum, name] if name.lstrip("*") == file_name:
                return checksum
    raise ReleaseError(f"the checksum list does not name {file_name}")


def _asset_digest(text: str, file_name: str) -> str:
    try:
        digests = {a["name"]: a.get("digest") or "" for a in json.loads(text)["assets"]}
    except (ValueError, KeyError, TypeError) as error:
        raise ReleaseError(f"the release of {file_name} is not readable: {error!r}") from error
    algorithm, _, checksum = digests.get(file_name, "").partition(":")
    if algorithm != "sha256":
        raise ReleaseError(f"the release states no sha256 digest of {file_name}")
    return str(checksum)


def _text(url: str) -> str:
    with _open(url) as answer:
        return answer.read(_CHUNK).decode()


def _download(url: str, to: Path) -> str:
    digest = hashlib.sha256()
    try:
        with _open(url) as answer, to.open("wb") as file:
            while chunk := answer.read(_CHUNK):
                digest.update(chunk)
                file.write(chunk)
    except OSError as error:
        raise ReleaseError(f"{url}: {error}") from error
    return digest.hexdigest()


def _open(url: str) -> BinaryIO:
    try:
        answer: BinaryIO = urllib.request.urlopen(url, timeout=CONNECT_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        raise ReleaseError(f"{url}: HTTP {error.code}") from error
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        raise HostUnreachableError(f"{url}: {error}") from error
    return answer
