"""A folder on the job's storage: a mounted volume, or anything that fsspec reaches.

A file in a folder is either absent or complete. On a local path this needs a temporary name, fsync
and a rename; an object store shows an object only when it is complete. fsspec is imported only for a
location that is a URL.
"""

import contextlib
import hashlib
import importlib
import io
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from stargate_worker.errors import StorageUnavailable

Writer = bytes | Callable[[BinaryIO], object]
"""The bytes themselves, or a function that writes them to a file."""
OnProgress = Callable[[], None]
"""Called again and again while bytes are read or written."""

_CHUNK = 1 << 20


@dataclass(frozen=True)
class FileDigest:
    """Size and checksum of a file."""

    size_bytes: int
    sha256: str


def _nothing() -> None:
    """The default: progress is ignored."""


class Folder(Protocol):
    """A folder. Reading a missing file raises FileNotFoundError; other failures raise OSError."""

    location: str

    def write(self, name: str, writer: Writer, on_progress: OnProgress = _nothing) -> FileDigest:
        """Writes a file of any size."""
        ...

    def put(self, name: str, data: bytes) -> None:
        """Writes a small file."""
        ...

    def get(self, name: str) -> bytes:
        """The content of a small file."""
        ...

    def get_all(self, names: Sequence[str]) -> list[bytes]:
        """The contents of small files, in the order of the names; read side by side if remote."""
        ...

    def names(self) -> frozenset[str]:
        """Names of the files; empty where the folder does not exist (yet)."""
        ...

    def fetch(self, name: str, on_progress: OnProgress = _nothing) -> tuple["Fetched", FileDigest]:
        """The file on a local path, downloaded if needed, and its digest."""
        ...

    def above(self, levels: int) -> "Folder":
        """The folder that many levels up."""
        ...

    def delete(self, first: str) -> None:
        """Deletes the folder; `first` goes first, so that half a checkpoint does not look complete."""
        ...


class Fetched:
    """A local file. A downloaded one is deleted when nothing refers to this object any more."""

    def __init__(self, path: Path, temporary: Path | None = None) -> None:
        self.path = path
        if temporary is not None:
            weakref.finalize(self, shutil.rmtree, temporary, ignore_errors=True)


def folder_at(location: str) -> Folder:
    """The folder at a path or URL. Raises StorageUnavailable where no package handles the URL."""
    scheme, separator, rest = location.partition("://")
    if not separator:
        return LocalFolder(location)
    return LocalFolder(rest) if scheme == "file" else RemoteFolder.at(location)


class LocalFolder:
    """A folder on a mounted volume."""

    def __init__(self, location: str) -> None:
        self.location = location.rstrip("/")
        self._path = Path(location)

    def write(self, name: str, writer: Writer, on_progress: OnProgress = _nothing) -> FileDigest:
        self._path.mkdir(parents=True, exist_ok=True)
        temporary = self._path / f".{name}.{os.getpid()}.partial"
        try:
            with temporary.open("wb") as file:
                written = measure(writer, file, on_progress)
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(self._path / name)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        _sync_directory(self._path)
        return written

    def put(self, name: str, data: bytes) -> None:
        self.write(name, data)

    def get(self, name: str) -> bytes:
        return (self._path / name).read_bytes()

    def get_all(self, names: Sequence[str]) -> list[bytes]:
        return [self.get(name) for name in names]

    def names(self) -> frozenset[str]:
        try:
            return frozenset(os.listdir(self._path))  # noqa: PTH208 - names are all that is needed
        except FileNotFoundError:
            return frozenset()

    def fetch(self, name: str, on_progress: OnProgress = _nothing) -> tuple[Fetched, FileDigest]:
        path = self._path / name
        with path.open("rb") as file:
            return Fetched(path), _copy(file, None, on_progress)

    def above(self, levels: int) -> Folder:
        return LocalFolder(str(Path(*self._path.parts[:-levels])))

    def delete(self, first: str) -> None:
        (self._path / first).unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self._path)


class RemoteFolder:
    """A folder behind fsspec. `fs` is the filesystem, `path` the folder's name in it."""

    def __init__(self, fs: Any, path: str, location: str) -> None:
        self._fs = fs
        self._path = path.rstrip("/")
        self.location = location.rstrip("/")

    @classmethod
    def at(cls, location: str) -> "RemoteFolder":
        """The folder at a URL. Raises StorageUnavailable where no package handles the scheme."""
        try:
            fs, path = importlib.import_module("fsspec.core").url_to_fs(location)
        except (ImportError, ValueError) as error:
            raise StorageUnavailable(
                f"{location} needs fsspec ({error}): install stargate-operator[worker] and fsspec's"
                " package for that scheme, or let the runtime's storage map the scheme to a volume"
            ) from error
        return cls(fs, path, location)

    def write(self, name: str, writer: Writer, on_progress: OnProgress = _nothing) -> FileDigest:
        self._fs.makedirs(self._path, exist_ok=True)
        file = self._fs.open(self._at(name), "wb")
        try:
            written = measure(writer, file, on_progress)
        except BaseException:
            self._discard(name, file)
            raise
        file.close()
        return written

    def put(self, name: str, data: bytes) -> None:
        self._fs.makedirs(self._path, exist_ok=True)
        self._fs.pipe_file(self._at(name), data)

    def get(self, name: str) -> bytes:
        return cast("bytes", self._fs.cat_file(self._at(name)))

    def get_all(self, names: Sequence[str]) -> list[bytes]:
        paths = [self._at(name) for name in names]
        found: dict[str, bytes] = self._fs.cat(paths) if paths else {}
        by_name = {path.rpartition("/")[2]: data for path, data in found.items()}
        return [by_name[name] for name in names]

    def names(self) -> frozenset[str]:
        self._fs.invalidate_cache()
        try:
            found = self._fs.ls(self._path, detail=False)
        except FileNotFoundError:
            return frozenset()
        return frozenset(str(path).rstrip("/").rpartition("/")[2] for path in found)

    def fetch(self, name: str, on_progress: OnProgress = _nothing) -> tuple[Fetched, FileDigest]:
        directory = Path(tempfile.mkdtemp(prefix="stargate-"))
        fetched = Fetched(directory / name, temporary=directory)
        with self._fs.open(self._at(name), "rb") as file, fetched.path.open("wb") as copy:
            return fetched, _copy(file, copy, on_progress)

    def above(self, levels: int) -> Folder:
        up = [text.rsplit("/", levels)[0] for text in (self._path, self.location)]
        return RemoteFolder(self._fs, *up)

    def delete(self, first: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(self._at(first))
        with contextlib.suppress(FileNotFoundError):
            self._fs.rm(self._path, recursive=True)

    def _discard(self, name: str, file: Any) -> None:
        """Discards an unfinished file where the filesystem can; deletes it elsewhere."""
        with contextlib.suppress(Exception):
            file.discard()
        with contextlib.suppress(Exception):
            self._fs.rm_file(self._at(name))

    def _at(self, name: str) -> str:
        return f"{self._path}/{name}"


class _HashingFile(io.RawIOBase):
    """Writes to another file, and counts and hashes the bytes."""

    def __init__(self, file: BinaryIO, on_progress: OnProgress) -> None:
        self._file = file
        self._on_progress = on_progress
        self._size = 0
        self._sum = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        view = memoryview(data).cast("B")
        for start in range(0, len(view), _CHUNK):
            part = view[start : start + _CHUNK]
            self._file.write(part)
            self._sum.update(part)
            self._on_progress()
        self._size += len(view)
        return len(view)

    @property
    def written(self) -> FileDigest:
        return FileDigest(self._size, self._sum.hexdigest())


def measure(writer: Writer, file: BinaryIO, on_progress: OnProgress) -> FileDigest:
    """Lets the writer write to the file. Returns the digest of what it wrote."""
    measured = _HashingFile(file, on_progress)
    if isinstance(writer, bytes | bytearray | memoryview):
        measured.write(writer)
    else:
        writer(cast("BinaryIO", measured))
    return measured.written


def _copy(file: BinaryIO, to: BinaryIO | None, on_progress: OnProgress) -> FileDigest:
    size, total = 0, hashlib.sha256()
    while chunk := file.read(_CHUNK):
        total.update(chunk)
        size += len(chunk)
        if to is not None:
            to.write(chunk)
        on_progress()
    return FileDigest(size, total.hexdigest())


def _sync_directory(path: Path) -> None:
    """Makes the new name survive a crash of the machine; not every file system supports it."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
