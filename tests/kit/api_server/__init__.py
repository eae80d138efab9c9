"""An API server in memory, for the component tests."""

from tests.kit.api_server.server import ApiServer

__all__ = ["ApiServer"]
