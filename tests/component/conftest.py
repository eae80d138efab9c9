"""Each test has a cluster of its own, in memory and on a virtual clock."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, MutableMapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.kit.cluster import Cluster
from tests.kit.virtual_time import VirtualLoop


@pytest.fixture(autouse=True)
def log() -> Iterator[list[MutableMapping[str, Any]]]:
    """What the operators log."""
    with capture_logs() as lines:
        yield lines


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    del config, item
    return {"virtual": VirtualLoop}


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    """Eight machines and no operator yet; the invariants are checked when the test is over."""
    cluster = Cluster()
    yield cluster
    await cluster.close()
