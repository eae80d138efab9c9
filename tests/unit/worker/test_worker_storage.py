"""A folder on a path and behind fsspec: a file is either absent or complete."""

import hashlib
import pickle
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

import pytest

from stargate_worker import StorageUnavailable
from stargate_worker.storage import Folder, LocalFolder, RemoteFolder, folder_at

BIG = bytes(range(256)) * 20_000


@pytest.fixture(params=["path", "file-url", "fsspec"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    where = {
        "path": str(tmp_path / "attempt-1" / "epoch-5"),
        "file-url": f"file://{tmp_path}/attempt-1/epoch-5",
        "fsspec": f"memory://{uuid4().hex}/attempt-1/epoch-5",
    }
    return where[request.param]


@pytest.fixture
def folder(location: str) -> Folder:
    return folder_at(location)


def test_path_needs_no_fsspec(tmp_path: Path) -> None:
    assert isinstance(folder_at(str(tmp_path)), LocalFolder)
    assert isinstance(folder_at(f"file://{tmp_path}"), LocalFolder)
    assert isinstance(folder_at("memory://a"), RemoteFolder)


def test_written_file_is_measured_and_fetched(folder: Folder) -> None:
    written = folder.write("shard", BIG)

    assert written.size_bytes == len(BIG)
    assert written.sha256 == hashlib.sha256(BIG).hexdigest()
    fetched, found = folder.fetch("shard")
    assert found == written
    assert fetched.path.read_bytes() == BIG


def test_writer_function_gets_a_file(folder: Folder) -> None:
    folder.write("shard", lambda file: pickle.dump({"weights": [1.0] * 1000}, file))

    fetched, _ = folder.fetch("shard")
    assert pickle.loads(fetched.path.read_bytes()) == {"weights": [1.0] * 1000}


def test_writer_may_close_its_file(folder: Folder) -> None:
    def write(file: BinaryIO) -> None:
        with file:
            file.write(b"all")

    assert folder.write("shard", write).size_bytes == 3
    assert folder.get("shard") == b"all"


def test_failed_write_leaves_no_file(folder: Folder) -> None:
    def fail(file: BinaryIO) -> None:
        file.write(b"half")
        raise RuntimeError("the GPU is gone")

    with pytest.raises(RuntimeError, match="GPU"):
        folder.write("shard", fail)

    assert folder.names() == frozenset()


def test_transfers_report_progress(folder: Folder) -> None:
    moves: list[int] = []
    folder.write("shard", BIG, lambda: moves.append(1))
    written = len(moves)
    folder.fetch("shard", lambda: moves.append(1))
    assert written >= 4
    assert len(moves) >= written + 4


def test_names_lists_the_files(folder: Folder) -> None:
    assert folder.names() == frozenset()
    folder.put("a", b"1")
    folder.put("b", b"2")
    assert folder.names() == {"a", "b"}


def test_get_all_keeps_the_order(folder: Folder) -> None:
    for name in "abc":
        folder.put(name, name.encode())
    assert folder.get_all(["c", "a", "b"]) == [b"c", b"a", b"b"]
    assert folder.get_all(["b"]) == [b"b"]
    assert folder.get_all([]) == []


def test_missing_file_raises_file_not_found(folder: Folder) -> None:
    for asked in (folder.get, folder.fetch):
        with pytest.raises(FileNotFoundError):
            asked("shard")


def test_above_gives_the_parent_folders(folder: Folder, location: str) -> None:
    folder.put("a", b"1")
    assert folder.above(1).location == location.rsplit("/", 1)[0].removeprefix("file://")
    assert folder.above(1).names() == {"epoch-5"}
    assert folder.above(2).names() == {"attempt-1"}


def test_above_the_root_is_the_root() -> None:
    assert folder_at("/a").above(2).names()


def test_delete_removes_the_folder_alone(folder: Folder) -> None:
    folder.put("manifest.json", b"{}")
    folder.put("shard", b"1")
    beside = folder_at(f"{folder.above(1).location}/epoch-50")
    beside.put("shard", b"2")

    folder.delete(first="manifest.json")
    folder.delete(first="manifest.json")

    assert folder.names() == frozenset()
    assert beside.get("shard") == b"2"


def test_failed_deletion_removes_the_manifest_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_at(str(tmp_path / "epoch-5"))
    folder.put("manifest.json", b"{}")
    folder.put("shard", b"1")

    def refuse(path: Path) -> None:
        raise PermissionError(path)

    monkeypatch.setattr("shutil.rmtree", refuse)
    with pytest.raises(PermissionError):
        folder.delete(first="manifest.json")

    assert folder.names() == {"shard"}


def test_delete_follows_no_link(tmp_path: Path) -> None:
    precious = folder_at(str(tmp_path / "precious"))
    precious.put("shard", b"1")
    (tmp_path / "epoch-5").symlink_to(tmp_path / "precious")

    with pytest.raises(OSError, match="symbolic link"):
        folder_at(str(tmp_path / "epoch-5")).delete(first="manifest.json")

    assert precious.get("shard") == b"1"


def test_unused_download_is_deleted() -> None:
    folder = folder_at(f"memory://{uuid4().hex}")
    folder.put("shard", b"1")
    fetched, _ = folder.fetch("shard")
    path = fetched.path
    assert path.exists()
    del fetched
    assert not path.parent.exists()


def test_unknown_scheme_error_says_what_to_do() -> None:
    with pytest.raises(StorageUnavailable, match=r"stargate_storage.*runtime's storage"):
        folder_at("stargate_storage://checkpoints")
