"""Defaults are brought once, kept to their files, and left alone where somebody had a hand in them."""

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
    """What a leader does is `look`; `now` is its clock."""

    server: Server
    folder: Folder
    client: Client
    now: float = 0.0

    def __post_init__(self) -> None:
        self.starts_to_lead()

    def starts_to_lead(self) -> None:
        self.applier = DefaultsApplier(self.client, self.folder.path, lambda: self.now)

    async def look(self, *, after: float = 10.0) -> list[str]:
        """What it says of what it sees."""
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


async def test_they_are_applied_once_and_then_nothing_is_asked(stage: Stage) -> None:
    stage.folder.holds(a=text("a"), b=text("b", kind="ComputeBlock", spec={"pue": 1.2}))
    assert await stage.look() == [
        "default applied: AcceleratorClass a",
        "default applied: ComputeBlock b",
    ]
    asked = stage.server.asked
    assert [await stage.look(after=1000) for _ in range(3)] == [[], [], []]
    assert stage.server.asked == asked
    assert (stage.counted("standing"), stage.counted("failed")) == (2, 0)


async def test_another_leader_that_finds_them_standing_writes_nothing(stage: Stage) -> None:
    stage.folder.holds(a=text("a"))
    await stage.look()
    stage.starts_to_lead()
    assert await stage.look() == []
    assert stage.server.applied == ["a"]
    assert stage.counted("standing") == 1


async def test_a_newer_file_is_followed(stage: Stage) -> None:
    stage.folder.holds(a=text("a"))
    await stage.look()
    stage.folder.holds(a=text("a", spec=NEWER))
    assert await stage.look() == ["default applied: AcceleratorClass a"]
    assert stage.server.objects["a"]["spec"] == NEWER


async def test_an_edited_one_is_left_alone_over_restarts_and_newer_files(stage: Stage) -> None:
    stage.folder.holds(a=text("a"))
    await stage.look()
    stage.server.edit("a", resourceName="nvidia.com/gpu")
    stage.starts_to_lead()
    assert await stage.look() == ["default left alone: AcceleratorClass a"]
    stage.folder.holds(a=text("a", spec=NEWER))
    assert await stage.look() == [], "it was told before"
    assert stage.server.applied == ["a"]
    assert (stage.counted("standing"), stage.counted("left_alone")) == (0, 1)


async def test_one_s_own_of_that_name_is_left_alone(stage: Stage) -> None:
    stage.server.own("a")
    stage.folder.holds(a=text("a"))
    assert await stage.look() == ["default left alone: AcceleratorClass a"]
    assert stage.server.applied == []


async def test_a_field_that_somebody_else_has_set_is_theirs(stage: Stage) -> None:
    stage.folder.holds(a=text("a"))
    stage.server.refusals["a"] = (409, "conflict with kubectl")
    assert await stage.look() == ["default left alone: AcceleratorClass a"]


async def test_one_that_somebody_deleted_comes_back_with_the_next_leader(stage: Stage) -> None:
    stage.folder.holds(a=text("a"))
    await stage.look()
    del stage.server.objects["a"]
    assert await stage.look(after=1000) == []
    stage.starts_to_lead()
    assert await stage.look() == ["default applied: AcceleratorClass a"]


async def test_one_that_is_no_longer_brought_stays(stage: Stage) -> None:
    stage.folder.holds(a=text("a"), b=text("b"))
    await stage.look()
    stage.folder.holds(a=text("a"))
    assert await stage.look() == []
    assert "b" in stage.server.objects
    assert stage.counted("standing") == 1


async def test_what_fails_stops_no_other_is_told_once_and_tried_again(stage: Stage) -> None:
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


async def test_one_object_in_two_files_is_taken_from_the_first(stage: Stage) -> None:
    stage.folder.holds(a=text("a"), b=text("a", spec=NEWER))
    said = await stage.look()
    assert said == ["default applied: AcceleratorClass a", "default not applied: b.yaml"]
    assert stage.server.objects["a"]["spec"] == SILICON


async def test_a_folder_that_is_not_there_is_waited_for(tmp_path: Path, stage: Stage) -> None:
    stage.folder = Folder(tmp_path / "later")
    stage.starts_to_lead()
    assert await stage.look() == [f"default not applied: {tmp_path / 'later'}"]
    assert stage.counted("failed") == 1
    assert await stage.look(after=1000) == []
    stage.folder.path.mkdir()
    stage.folder.holds(a=text("a"))
    assert await stage.look() == ["default applied: AcceleratorClass a"]


def test_of_a_mounted_config_map_the_files_are_read_and_not_its_inner_workings(
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
