"""A folder on whatever storage the job has: a mounted volume, or anything that fsspec reaches.

A name in a folder is absent or whole. On a local path that takes a temporary name, fsync and a
rename; object stores show an object when it is complete. fsspec is imported only where a location
is a URL.
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
"""The bytes themselves, or what writes them to a file that it is given."""

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Written:
    size_bytes: int
    sha256: str


def _nothing() -> None:
    """Nobody wants to know that bytes go by."""


class Folder(Protocol):
    """Missing names raise FileNotFoundError."""

    location: str

    def write(self, name: str, writer: Writer, moved: Callable[[], None] = _nothing) -> Written: ...
    def put(self, name: str, data: bytes) -> None: ...
    def get(self, name: str) -> bytes: ...
    def get_all(self, names: Sequence[str]) -> list[bytes]:
        """In their order; at once, where one takes its time."""
        ...

    def names(self) -> frozenset[str]:
        """Empty where the folder does not exist (yet)."""
        ...

    def fetch(self, name: str, moved: Callable[[], None] = _nothing) -> tuple["Fetched", Written]:
        """The file on a local path, and what it measures."""
        ...

    def above(self, levels: int) -> "Folder": ...
    def delete(self, first: str) -> None:
        """All of it, `first` before the rest: what is half deleted must not look whole."""
        ...


class Fetched:
    """A local file; one that was downloaded goes when nobody holds this any more."""

    def __init__(self, path: Path, temporary: Path | None = None) -> None:
        self.path = path
        if temporary is not None:
            weakref.finalize(self, shutil.rmtree, temporary, ignore_errors=True)


def folder_at(location: str) -> Folder:
    scheme, separator, rest = location.partition("://")
    if not separator:
        return LocalFolder(location)
    return LocalFolder(rest) if scheme == "file" else RemoteFolder.at(location)


class LocalFolder:
    def __init__(self, location: str) -> None:
        self.location = location.rstrip("/")
        self._path = Path(location)

    def write(self, name: str, writer: Writer, moved: Callable[[], None] = _nothing) -> Written:
        self._path.mkdir(parents=True, exist_ok=True)
        temporary = self._path / f".{name}.{os.getpid()}.partial"
        try:
            with temporary.open("wb") as file:
                written = measure(writer, file, moved)
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

    def fetch(self, name: str, moved: Callable[[], None] = _nothing) -> tuple[Fetched, Written]:
        path = self._path / name
        with path.open("rb") as file:
            return Fetched(path), _copy(file, None, moved)

    def above(self, levels: int) -> Folder:
        return LocalFolder(str(Path(*self._path.parts[:-levels])))

    def delete(self, first: str) -> None:
        (self._path / first).unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self._path)


class RemoteFolder:
    """`fs` is an fsspec filesystem, `path` what it calls the folder."""

    def __init__(self, fs: Any, path: str, location: str) -> None:
        self._fs = fs
        self._path = path.rstrip("/")
        self.location = location.rstrip("/")

    @classmethod
    def at(cls, location: str) -> "RemoteFolder":
        try:
            fs, path = importlib.import_module("fsspec.core").url_to_fs(location)
        except (ImportError, ValueError) as error:
            raise StorageUnavailable(
                f"{location} is reached through fsspec ({error}): install stargate-operator[worker]"
                " and fsspec's package for that scheme, or let the runtime's storage give the"
                " scheme a volume"
            ) from error
        return cls(fs, path, location)

    def write(self, name: str, writer: Writer, moved: Callable[[], None] = _nothing) -> Written:
        self._fs.makedirs(self._path, exist_ok=True)
        file = self._fs.open(self._at(name), "wb")
        try:
            written = measure(writer, file, moved)
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
        return frozenset(str(each).rstrip("/").rpartition("/")[2] for each in found)

    def fetch(self, name: str, moved: Callable[[], None] = _nothing) -> tuple[Fetched, Written]:
        directory = Path(tempfile.mkdtemp(prefix="stargate-"))
        fetched = Fetched(directory / name, temporary=directory)
        with self._fs.open(self._at(name), "rb") as file, fetched.path.open("wb") as copy:
            return fetched, _copy(file, copy, moved)

    def above(self, levels: int) -> Folder:
        up = [text.rsplit("/", levels)[0] for text in (self._path, self.location)]
        return RemoteFolder(self._fs, *up)

    def delete(self, first: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(self._at(first))
        with contextlib.suppress(FileNotFoundError):
            self._fs.rm(self._path, recursive=True)

    def _discard(self, name: str, file: Any) -> None:
        """Where the storage knows how; elsewhere what there is of it goes."""
        with contextlib.suppress(Exception):
            file.discard()
        with contextlib.suppress(Exception):
            self._fs.rm_file(self._at(name))

    def _at(self, name: str) -> str:
        return f"{self._path}/{name}"


class _Measured(io.RawIOBase):
    """Passes bytes on, counts them and sums them up."""

    def __init__(self, file: BinaryIO, moved: Callable[[], None]) -> None:
        self._file = file
        self._moved = moved
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
            self._moved()
        self._size += len(view)
        return len(view)

    @property
    def written(self) -> Written:
        return Written(self._size, self._sum.hexdigest())


def measure(writer: Writer, file: BinaryIO, moved: Callable[[], None]) -> Written:
    measured = _Measured(file, moved)
    if isinstance(writer, bytes | bytearray | memoryview):
        measured.write(writer)
    else:
        writer(cast("BinaryIO", measured))
    return measured.written


def _copy(file: BinaryIO, to: BinaryIO | None, moved: Callable[[], None]) -> Written:
    size, total = 0, hashlib.sha256()
    while chunk := file.read(_CHUNK):
        total.update(chunk)
        size += len(chunk)
        if to is not None:
            to.write(chunk)
        moved()
    return Written(size, total.hexdigest())


def _sync_directory(path: Path) -> None:
    """So that the new name survives a crash of the machine; not every file system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
