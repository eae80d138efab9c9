"""One control plane without an operator for these tests, which write objects and read the answers.

A fresh namespace for each test.
"""

from tests.kit.fixtures import audit_log, namespace, people, plane, researcher, shell

__all__ = ["audit_log", "namespace", "people", "plane", "researcher", "shell"]
