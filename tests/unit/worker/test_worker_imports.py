"""The library needs the standard library alone, and torch only where ranks agree."""

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from stargate_lab.host.paths import REPO
from stargate_worker.collectives import any_rank

PROBE = """
import sys, stargate_worker
for name in ("stargate_operator", "stargate_types", "kubernetes", "pydantic", "fsspec", "torch"):
    assert name not in sys.modules, name
"""


def test_library_imports_without_any_package() -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-W", "error", "-c", PROBE],
        env={"PYTHONPATH": str(REPO / "operator")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_single_rank_needs_no_torch() -> None:
    assert any_rank(True, world_size=1)
    assert not any_rank(False, world_size=1)


class Flag:
    def __init__(self, values: list[int]) -> None:
        self.value = values[0]

    def item(self) -> int:
        return self.value


def fake_torch(others: int, *, initialized: bool = True, backend: str = "gloo") -> Any:
    def all_reduce(flag: Flag, op: str) -> None:
        assert op == "max"
        flag.value = max(flag.value, others)

    devices: list[str] = []

    def tensor(values: list[int], dtype: str, device: str) -> Flag:
        del dtype
        devices.append(device)
        return Flag(values)

    distributed = SimpleNamespace(
        is_available=lambda: True,
        is_initialized=lambda: initialized,
        get_backend=lambda: backend,
        all_reduce=all_reduce,
        ReduceOp=SimpleNamespace(MAX="max"),
    )
    return SimpleNamespace(distributed=distributed, tensor=tensor, int32="int32", devices=devices)


@pytest.mark.parametrize(
    ("ours", "theirs", "agreed"), [(False, 0, False), (True, 0, True), (False, 1, True)]
)
def test_ranks_agree_through_torch(
    monkeypatch: pytest.MonkeyPatch, ours: bool, theirs: int, agreed: bool
) -> None:
    monkeypatch.setitem(sys.modules, "torch", fake_torch(theirs))
    assert any_rank(ours, world_size=2) is agreed


def test_nccl_flag_is_on_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = fake_torch(0, backend="nccl")
    monkeypatch.setitem(sys.modules, "torch", torch)
    any_rank(False, world_size=2)
    assert torch.devices == ["cuda"]


def test_missing_process_group_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", fake_torch(0, initialized=False))
    with pytest.raises(RuntimeError, match="init_process_group first"):
        any_rank(True, world_size=2)
