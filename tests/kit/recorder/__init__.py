"""Watches every committed write of a namespace and checks what must hold at each of them.

Three parts, as in etcd's robustness tests: `watch` is the client traffic, `history` what was seen,
`checks` what must hold of it. The checks are pure: a history from a file or from a test's own hand
is checked as one from a cluster.
"""

from tests.kit.recorder.checks import check
from tests.kit.recorder.history import History
from tests.kit.recorder.report import report
from tests.kit.recorder.watch import Recorder, recording

__all__ = ["History", "Recorder", "check", "recording", "report"]
