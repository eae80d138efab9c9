"""One control plane without an operator for all these tests; each test has its own namespace.

The tests write objects and check the answers of the API server.
"""

from tests.kit.fixtures import audit_log, namespace, people, plane, researcher, shell

__all__ = ["audit_log", "namespace", "people", "plane", "researcher", "shell"]
