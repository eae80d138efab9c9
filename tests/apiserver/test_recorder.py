"""The recorder on a real API server misses no write, or records that it did."""

import gc
import os
import signal
import threading
import time
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TypeVar

import pytest
from aiohttp import ClientSession

from stargate_lab.cluster.control_plane import ControlPlane
from tests.kit.recorder.history import Json
from tests.kit.recorder.watch import HistoryLost, Kind, Recorder
from tests.kit.story import eventually, exists


class Forgetful(Recorder):
    """A recorder whose first watch fails, as if the server had dropped the history since the list."""

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
    """The path of ConfigMaps, after the cluster has created its own in the namespace."""
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    eventually(lambda: exists(plane.api, f"{path}/kube-root-ca.crt"), "the CA's map")
    return path


@pytest.fixture
def stalled_disk(plane: ControlPlane) -> Iterator[Callable[[], None]]:
    """Stops etcd. The value is a function that lets it go on."""
    etcd = plane.pids()["etcd"]
    os.kill(etcd, signal.SIGSTOP)
    yield lambda: os.kill(etcd, signal.SIGCONT)
    os.kill(etcd, signal.SIGCONT)


R = TypeVar("R", bound=Recorder)


def recorder_of(plane: ControlPlane, namespace: str, maps: str, sort: type[R]) -> R:
    return sort(plane.api.credentials, namespace, kinds=(Kind("ConfigMap", maps),))


def test_recorder_sees_every_write(plane: ControlPlane, namespace: str, maps: str) -> None:
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


def test_lost_history_without_writes_is_no_gap(
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


def test_lost_history_with_a_write_is_a_gap(plane: ControlPlane, namespace: str, maps: str) -> None:
    recorder = recorder_of(plane, namespace, maps, Forgetful)
    recorder.look_around()
    plane.api.create(maps, {"metadata": {"name": "unseen"}})
    recorder.follow()

    eventually(lambda: recorder.history.gaps, "a gap")
    recorder.stop()

    assert "unseen" in recorder.check()[0].what


def test_assert_quiet_fails_after_any_write(plane: ControlPlane, namespace: str, maps: str) -> None:
    recorder = recorder_of(plane, namespace, maps, Recorder)
    recorder.start()
    recorder.history.until = time.time() - 60
    recorder.assert_quiet(0.2)
    plane.api.create(maps, {"metadata": {"name": "noise"}})
    recorder.wait(lambda state: state.all("ConfigMap"), 5, "the map")

    try:
        with pytest.raises(AssertionError, match="still writes"):
            recorder.assert_quiet(0.2, settle=0.3)
    finally:
        recorder.stop()


def test_disk_stall_does_not_count_as_operator_time(
    plane: ControlPlane, namespace: str, maps: str, request: pytest.FixtureRequest
) -> None:
    recorder = recorder_of(plane, namespace, maps, Recorder)
    recorder.start()
    time.sleep(1)
    resume_disk = request.getfixturevalue("stalled_disk")
    began = time.time()
    threading.Timer(2.0, resume_disk).start()

    recorder.wait(lambda _: time.time() > began + 2.2, 1.0, "a second on the operator's clock")
    recorder.check()
    recorder.stop()

    (lost,) = recorder.history.standstills
    assert began - 1 < lost.start < began + 1
    assert lost.end > began + 2


def test_recorder_closes_sockets_of_an_unresponsive_server(
    plane: ControlPlane, namespace: str, maps: str
) -> None:
    recorder = recorder_of(plane, namespace, maps, Recorder)
    recorder.start()
    time.sleep(1)
    server = plane.pids()["kube-apiserver"]
    gc.collect()
    with warnings.catch_warnings(record=True) as left:
        warnings.simplefilter("always")
        os.kill(server, signal.SIGSTOP)
        try:
            recorder.stop()
            gc.collect()
        finally:
            os.kill(server, signal.SIGCONT)

    assert not [str(warning.message) for warning in left if warning.category is ResourceWarning]
