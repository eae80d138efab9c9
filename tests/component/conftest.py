"""Fixtures of the component tests: each test has its own cluster in memory, on a virtual clock."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, MutableMapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.kit.cluster import Cluster
from tests.kit.virtual_time import VirtualLoop


@pytest.fixture(autouse=True)
def log() -> Iterator[list[MutableMapping[str, Any]]]:
    """The log lines of the operators."""
    with capture_logs() as lines:
        yield lines


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    del config, item
    return {"virtual": VirtualLoop}


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    """A cluster of eight nodes without an operator. The invariants are checked after the test."""
    cluster = Cluster()
    yield cluster
    await cluster.close()
