"""The recorder for a local control plane, where it can measure the operators' processes."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from stargate_lab.cluster.control_plane import ControlPlane
from stargate_lab.process import operator_process
from tests.kit.recorder import Recorder, recording


@contextmanager
def recording_on(plane: ControlPlane, namespace: str, audit_log: Path) -> Iterator[Recorder]:
    operators = partial(operator_process.pids, plane)
    with recording(plane.api.credentials, namespace, audit_log, operators) as recorder:
        yield recorder
