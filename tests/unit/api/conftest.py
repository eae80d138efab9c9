import pytest

from tests.unit.api.scripted_server import Time


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    """No test of a call sleeps."""
    time = Time()
    monkeypatch.setattr("stargate_api.exchange.time.sleep", time.sleep)
    return time
