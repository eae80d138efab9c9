"""Builds the project's images.

The contents of an image are prepared here, from `uv.lock` and for the Python of its base image. So
the build needs no network, and no other tool than Docker's classic builder. The base image is the one
that the Dockerfile names; without access to a registry, one is made of Debian packages.
"""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stargate_lab.host.docker import DockerError, architecture, docker, has_image, succeeds
from stargate_lab.host.output import last_lines
from stargate_lab.host.paths import REPO, RUN_DIR
from stargate_release.version import current

Say = Callable[[str], None]

_BASE = REPO / "images" / "base"
FROM_DEBIAN = _BASE / "from-debian"
PULL_SECONDS = 900.0
_UV = REPO / "tools" / "uv"
_PLATFORMS = {"amd64": "x86_64-manylinux_2_28", "arm64": "aarch64-manylinux_2_28"}
_SOURCES = "stargate.dev/sources"
_UNUSED = ("kubernetes/aio",)
"""41 MiB that are never imported."""


class ImageError(RuntimeError):
    """An image cannot be built; the message says what is missing."""


@dataclass(frozen=True)
class Image:
    """One image. `extra` is the extra of the distribution that it contains, without the dependencies in
    `without`. `debian` lists the packages of its base image where no registry can be reached."""

    name: str
    extra: str
    debian: tuple[str, ...]
    without: tuple[str, ...] = ()

    @property
    def tag(self) -> str:
        """The tag in the chart's default values, so that an install needs no values for it."""
        return f"ghcr.io/stargate-dev/{self.name}:{current()}"

    @property
    def sources(self) -> Path:
        return REPO / "images" / self.name

    @property
    def public_base(self) -> str:
        found = re.search(r"^ARG BASE=(\S+)$", (self.sources / "Dockerfile").read_text(), re.M)
        if not found:
            raise ImageError(f"{self.sources}/Dockerfile has no line ARG BASE=…")
        return found[1]

    @property
    def base_variable(self) -> str:
        """The environment variable that names another base image."""
        return f"{self.name.upper()}_BASE"


OPERATOR = Image("operator", "operator", ("ca-certificates", "python3"))
TRAINER = Image(
    "trainer",
    "worker",
    ("ca-certificates", "python3", "python3-torch"),
    without=("kubernetes", "pydantic"),  # the worker's library needs neither
)
IMAGES = (OPERATOR, TRAINER)


def named(name: str) -> Image:
    found = {image.name: image for image in IMAGES}.get(name)
    if found is None:
        raise ImageError(f"no image {name!r}; there are {', '.join(each.name for each in IMAGES)}")
    return found


def build(image: Image, say: Say) -> None:
    """Builds the image if something in it has changed."""
    base = base_of(image, say)
    if not has_image(base):
        docker("pull", "--quiet", base, seconds=PULL_SECONDS)
    sources = f"{_SOURCES}={_digest(image, base)}"
    if not _is_built_from(sources, image):
        context = _stage(image, base)
        given = ("--build-arg", f"BASE={base}", "--label", sources)
        docker("build", "--network", "none", *given, "-t", image.tag, str(context))
    say(f"{image.tag}: {megabytes(image)} MB, on {base}")


def stage(image: Image, say: Say) -> Path:
    """Only prepares the build context, for the release workflow, which builds and pushes it."""
    return _stage(image, base_of(image, say))


def _is_built_from(sources: str, image: Image) -> bool:
    found = docker("image", "ls", "--quiet", "--filter", f"label={sources}", image.tag)
    return bool(found)


def _digest(image: Image, base: str) -> str:
    """Digest of the image's sources, of this module and of the base image."""
    parts = [docker("image", "inspect", "--format", "{{.Id}}", base).encode()]
    for file in _files_of(image):
        parts += [str(file.relative_to(REPO)).encode(), file.read_bytes()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def _files_of(image: Image) -> list[Path]:
    single = [Path(__file__), *(REPO / name for name in ("pyproject.toml", "README.md", "uv.lock"))]
    trees = [image.sources, REPO / "operator"]
    found = [file for tree in trees for file in tree.rglob("*") if file.is_file()]
    return single + sorted(file for file in found if "__pycache__" not in file.parts)


def base_of(image: Image, say: Say) -> str:
    asked = os.environ.get(image.base_variable)
    if asked:
        return asked
    public = image.public_base
    if has_image(public) or succeeds("pull", "--quiet", public, seconds=PULL_SECONDS):
        return public
    return _base_from_debian(image, say)


def _base_from_debian(image: Image, say: Say) -> str:
    scripts = [FROM_DEBIAN.read_bytes(), (_BASE / "strip").read_bytes()]
    made_of = b"".join(scripts) + repr(image.debian).encode()
    tag = f"localhost/stargate-base-{image.name}:{hashlib.sha256(made_of).hexdigest()[:12]}"
    if not has_image(tag):
        _make_from_debian(image, tag, say)
    return tag


def _make_from_debian(image: Image, tag: str, say: Say) -> None:
    if shutil.which("debootstrap") is None or os.geteuid() != 0:
        raise ImageError(
            f"cannot pull {image.public_base}, and without debootstrap and root none can be made"
            f" of Debian packages; {image.base_variable} names a base to use instead"
        )
    say(f"cannot pull {image.public_base}: making a base of Debian packages (minutes, once)")
    _run([str(FROM_DEBIAN), tag, *image.debian])


def _stage(image: Image, base: str) -> Path:
    """Makes the build context: the image's sources, and the distribution."""
    context = RUN_DIR / "images" / image.name
    shutil.rmtree(context, ignore_errors=True)
    shutil.copytree(image.sources, context, ignore=shutil.ignore_patterns("__pycache__"))
    _install(image, context / "site", _python_of(base))
    return context


def _python_of(base: str) -> str:
    """The minor version of the base image's Python, which decides on the wheels."""
    asked = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        return docker(
            "run", "--rm", "--network", "none", "--entrypoint", "python3", base, "-c", asked
        )
    except DockerError as error:
        raise ImageError(f"the base {base} has no python3 that runs: {error}") from error


def _install(image: Image, site: Path, python: str) -> None:
    """Installs the locked dependencies with checked hashes, and ours as a wheel with its metadata."""
    locked = site.with_name("requirements.txt")
    wheels = site.with_name("wheel")
    extra = ["--extra", image.extra, "--no-dev", "--no-emit-project", "--no-header"]
    pruned = [argument for name in image.without for argument in ("--prune", name)]
    _uv("export", "--locked", *extra, *pruned, "--output-file", str(locked))
    _uv("build", "--wheel", "--out-dir", str(wheels))
    where = ["--target", str(site), "--python-version", python, "--python-platform", _platform()]
    into = ["pip", "install", *where, "--no-deps", "--only-binary", ":all:"]
    _uv(*into, "--require-hashes", "-r", str(locked))
    _uv(*into, *map(str, wheels.glob("*.whl")))
    (site / ".lock").unlink(missing_ok=True)
    for unused in _UNUSED:
        shutil.rmtree(site / unused, ignore_errors=True)


def _platform() -> str:
    here = architecture()
    if here not in _PLATFORMS:
        raise ImageError(f"no images for {here}, only for {', '.join(_PLATFORMS)}")
    return _PLATFORMS[here]


def megabytes(image: Image) -> int:
    return int(docker("image", "inspect", "--format", "{{.Size}}", image.tag)) // 1_000_000


def _uv(*arguments: str) -> None:
    _run([str(_UV), *arguments, "--quiet"])


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command, cwd=REPO, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ImageError(f"{' '.join(command[:3])} failed:\n{last_lines(done)}")
