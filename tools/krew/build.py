"""The krew plugin of this version: an archive, and the manifest that names its checksum.

`python tools/krew/build.py [FOLDER]` writes both, by default into dist/. The same sources give the
same bytes, so that anybody can check a release.
"""

import gzip
import hashlib
import io
import sys
import tarfile
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
REPO = HERE.parents[1]
RELEASES = "https://github.com/stargate-dev/stargate-operator/releases/download"


def build(folder: Path) -> tuple[Path, Path]:
    """The archive and the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    version = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]["version"]
    archive = folder / f"kubectl-stargate-v{version}.tar.gz"
    archive.write_bytes(_archive(version))
    manifest = folder / "stargate.yaml"
    manifest.write_text(
        (HERE / "stargate.yaml")
        .read_text()
        .partition("\n")[2]
        .format(
            version=version,
            uri=f"{RELEASES}/v{version}/{archive.name}",
            sha256=hashlib.sha256(archive.read_bytes()).hexdigest(),
        )
    )
    return archive, manifest


def _archive(version: str) -> bytes:
    launcher = (HERE / "kubectl-stargate").read_text()
    files = {
        "kubectl-stargate": (launcher.replace("STARGATE_PLUGIN_VERSION", version).encode(), 0o755),
        "LICENSE": ((REPO / "LICENSE").read_bytes(), 0o644),
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, (content, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), mtime=0)


if __name__ == "__main__":
    for path in build(Path(sys.argv[1]) if len(sys.argv) > 1 else REPO / "dist"):
        print(path)
