import pytest

from tests.unit.api.scripted_server import Time


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    """A clock that calls use in place of sleeping."""
    time = Time()
    monkeypatch.setattr("stargate_api._client.steps.time.sleep", time.sleep)
    return time
