"""Defaults are applied once, follow their files, and are left alone where somebody changed them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from stargate_operator.defaults.applier import AGAIN_SECONDS, DefaultsApplier, files_in
from stargate_operator.kube.client import Client
from stargate_operator.telemetry import metrics
from tests.unit.defaults.fake_server import SILICON, Folder, Server, text
from tests.unit.kube.fakeapi import fake_api

NEWER = {**SILICON, "wattsPerDevice": 900}


@dataclass
class Stage:
    """A leader that applies the defaults in `look`; `now` is its clock."""

    server: Server
    folder: Folder
    client: Client
    now: float = 0.0

    def __post_init__(self) -> None:
        self.starts_to_lead()

    def starts_to_lead(self) -> None:
        self.applier = DefaultsApplier(self.client, self.folder.path, lambda: self.now)

    async def look(self, *, after: float = 10.0) -> list[str]:
        """Applies the defaults once. Returns the lines that it logs."""
        self.now += after
        with capture_logs() as logs:
            await self.applier.look()
        return [f"{each['event']}: {each['default']}" for each in logs]

    @staticmethod
    def counted(state: str) -> float:
        return metrics.value("stargate_defaults", {"state": state})


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    server = Server()
    async with fake_api(server.answer) as api, Client(api.endpoint(), user_agent="test") as client:
        yield Stage(server, Folder(tmp_path), client)


async def test_defaults_are_applied_once_and_then_left(stage: Stage) -> None:
    stage.folder.holds(a=text("a"), b=text("b", kind="ComputeBlock", spec={"pue": 1.2}))
    assert await stage.look() == [
        "default applied: AcceleratorClass a",
        "default applied: ComputeBlock b",
    ]
    asked = stage.server.asked
    assert [await stage.look(after=1000) for _ in range(3)] == [[], [], []]
    assert stage.server.asked == asked
    assert (stage.counted("standing"), stage.counted("failed")) == (2, 0)


async def test_next_leader_writes_no_applied_default(stage: Stage) -> None:
    stage.folder.holds(a=text("a"))
    await stage.look()
    stage.starts_to_lead()
    assert await stage.look() == []
    assert stage.server.applied == ["a"]
    assert stage.counted("standing") == 1


async def test_newer_file_is_applied(stage: Stage) -> None:
    stage.folder.holds(a=text("a"))
    await stage.look()
    stage.folder.holds(a=text("a", spec=NEWER))
    assert await stage.look() == ["default applied: AcceleratorClass a"]
    assert stage.server.objects["a"]["spec"] == NEWER


async def test_edited_default_is_left_alone_for_good(stage: Stage) -> None:
    stage.folder.holds(a=text("a"))
    await stage.look()
    stage.server.edit("a", resourceName="nvidia.com/gpu")
    stage.starts_to_lead()
    assert await stage.look() == ["default left alone: AcceleratorClass a"]
    stage.folder.holds(a=text("a", spec=NEWER))
    assert await stage.look() == [], "it was told before"
    assert stage.server.applied == ["a"]
    assert (stage.counted("standing"), stage.counted("left_alone")) == (0, 1)


async def test_foreign_object_of_same_name_is_left_alone(stage: Stage) -> None:
    stage.server.own("a")
    stage.folder.holds(a=text("a"))
    assert await stage.look() == ["default left alone: AcceleratorClass a"]
    assert stage.server.applied == []


async def test_field_of_another_manager_is_left_alone(stage: Stage) -> None:
    stage.folder.holds(a=text("a"))
    stage.server.refusals["a"] = (409, "conflict with kubectl")
    assert await stage.look() == ["default left alone: AcceleratorClass a"]


async def test_deleted_default_returns_with_the_next_leader(stage: Stage) -> None:
    stage.folder.holds(a=text("a"))
    await stage.look()
    del stage.server.objects["a"]
    assert await stage.look(after=1000) == []
    stage.starts_to_lead()
    assert await stage.look() == ["default applied: AcceleratorClass a"]


async def test_object_of_a_removed_file_stays(stage: Stage) -> None:
    stage.folder.holds(a=text("a"), b=text("b"))
    await stage.look()
    stage.folder.holds(a=text("a"))
    assert await stage.look() == []
    assert "b" in stage.server.objects
    assert stage.counted("standing") == 1


async def test_failed_default_is_logged_once_and_retried(stage: Stage) -> None:
    stage.server.refusals["b"] = (422, "spec.resourceName: no")
    stage.folder.holds(a=text("a"), b=text("b"), c="{", d=text("d"))
    said = await stage.look()
    assert set(said) == {
        "default applied: AcceleratorClass a",
        "default not applied: AcceleratorClass b",
        "default not applied: c.yaml",
        "default applied: AcceleratorClass d",
    }
    assert (stage.counted("standing"), stage.counted("failed")) == (2, 2)
    asked = stage.server.asked
    assert await stage.look(after=AGAIN_SECONDS / 2) == []
    assert stage.server.asked == asked

    stage.server.refusals.clear()
    assert await stage.look(after=AGAIN_SECONDS) == ["default applied: AcceleratorClass b"]
    assert stage.server.applied == ["a", "d", "b"]
    assert (stage.counted("standing"), stage.counted("failed")) == (3, 1)


async def test_object_in_two_files_comes_from_first(stage: Stage) -> None:
    stage.folder.holds(a=text("a"), b=text("a", spec=NEWER))
    said = await stage.look()
    assert said == ["default applied: AcceleratorClass a", "default not applied: b.yaml"]
    assert stage.server.objects["a"]["spec"] == SILICON


async def test_missing_folder_is_tried_again(tmp_path: Path, stage: Stage) -> None:
    stage.folder = Folder(tmp_path / "later")
    stage.starts_to_lead()
    assert await stage.look() == [f"default not applied: {tmp_path / 'later'}"]
    assert stage.counted("failed") == 1
    assert await stage.look(after=1000) == []
    stage.folder.path.mkdir()
    stage.folder.holds(a=text("a"))
    assert await stage.look() == ["default applied: AcceleratorClass a"]


def test_hidden_entries_of_a_config_map_are_ignored(
    tmp_path: Path,
) -> None:
    data = tmp_path / "..2026_03_01"
    data.mkdir()
    (data / "a.yaml").write_text("1")
    (data / "README").write_text("no default")
    (tmp_path / "..data").symlink_to(data)
    for name in ("a.yaml", "README"):
        (tmp_path / name).symlink_to(tmp_path / "..data" / name)
    (tmp_path / ".hidden.yaml").write_text("2")
    assert files_in(tmp_path) == {"a.yaml": b"1"}
