"""An API server in memory, for the component tier."""

from tests.kit.api_server.server import ApiServer

__all__ = ["ApiServer"]
