from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from stargate_operator.reports.listener import Limits
from stargate_operator.reports.server import Timeouts
from tests.unit.reports.serving import Site, serving


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with serving(tmp_path) as site:
        yield site


@pytest.fixture
async def impatient(tmp_path: Path) -> AsyncIterator[Site]:
    async with serving(
        tmp_path,
        limits=Limits(connections=3, handshake_seconds=0.2),
        timeouts=Timeouts(headers=0.2, body=0.2, shutdown=0.2),
    ) as site:
        yield site


@pytest.fixture
async def crowded(tmp_path: Path) -> AsyncIterator[Site]:
    async with serving(tmp_path, limits=Limits(connections_per_address=2)) as site:
        yield site
