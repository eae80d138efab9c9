"""The recorder on a real API server: that it misses nothing, and says so where it did."""

import time
from collections.abc import AsyncIterator
from typing import TypeVar

import pytest
from aiohttp import ClientSession

from stargate_lab.cluster.control_plane import ControlPlane
from tests.integration.story import eventually, exists
from tests.recorder.history import Json
from tests.recorder.watch import HistoryLost, Kind, Recorder


class Forgetful(Recorder):
    """As if the server no longer had what comes after the first list."""

    forgot = False
    has_looked_again = False

    async def events(self, session: ClientSession, kind: Kind) -> AsyncIterator[Json]:
        if not self.forgot:
            self.forgot = True
            raise HistoryLost
        self.has_looked_again = True
        async for event in super().events(session, kind):
            yield event


@pytest.fixture
def maps(plane: ControlPlane, namespace: str) -> str:
    """With nothing more to come in it by itself."""
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    eventually(lambda: exists(plane.api, f"{path}/kube-root-ca.crt"), "the CA's map")
    return path


R = TypeVar("R", bound=Recorder)


def recorder_of(plane: ControlPlane, namespace: str, maps: str, sort: type[R]) -> R:
    return sort(plane.api.credentials, namespace, kinds=(Kind("ConfigMap", maps),))


def test_it_sees_every_write(plane: ControlPlane, namespace: str, maps: str) -> None:
    recorder = recorder_of(plane, namespace, maps, Recorder)
    recorder.start()
    plane.api.create(maps, {"metadata": {"name": "a"}})
    for number in range(20):
        plane.api.patch(f"{maps}/a", {"data": {"number": str(number)}})
    plane.api.delete(f"{maps}/a")

    recorder.catch_up()
    recorder.stop()

    seen = [
        (w.verb, w.object.get("data", {}).get("number")) for w in recorder.writes() if w.name == "a"
    ]
    changes = [("MODIFIED", str(number)) for number in range(20)]
    assert seen == [("ADDED", None), *changes, ("DELETED", "19")]
    assert not recorder.history.gaps


def test_a_lost_history_in_which_nothing_happened_is_no_gap(
    plane: ControlPlane, namespace: str, maps: str
) -> None:
    recorder = recorder_of(plane, namespace, maps, Forgetful)
    recorder.look_around()
    recorder.follow()
    eventually(lambda: recorder.has_looked_again, "another look")
    plane.api.create(maps, {"metadata": {"name": "later"}})

    recorder.catch_up()
    recorder.stop()

    assert not recorder.history.gaps


def test_a_lost_history_in_which_something_happened_is_a_gap(
    plane: ControlPlane, namespace: str, maps: str
) -> None:
    recorder = recorder_of(plane, namespace, maps, Forgetful)
    recorder.look_around()
    plane.api.create(maps, {"metadata": {"name": "unseen"}})
    recorder.follow()

    eventually(lambda: recorder.history.gaps, "a gap")
    recorder.stop()

    assert "unseen" in recorder.check()[0].what


def test_quiet_is_no_write_at_all(plane: ControlPlane, namespace: str, maps: str) -> None:
    recorder = recorder_of(plane, namespace, maps, Recorder)
    recorder.start()
    recorder.history.until = time.time() - 60
    recorder.assert_quiet(0.2)
    plane.api.create(maps, {"metadata": {"name": "noise"}})
    recorder.wait(lambda state: state.all("ConfigMap"), 5, "the map")

    with pytest.raises(AssertionError, match="no rest"):
        recorder.assert_quiet(0.2, settle=0.3)
    recorder.stop()
