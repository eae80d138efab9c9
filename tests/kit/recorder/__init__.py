"""Records every write of a namespace and checks the invariants on each of them.

It has three parts, as in etcd's robustness tests: `watch` collects the writes, `history` holds them, and
`checks` checks them. The checks are pure, so they also accept a history that a test wrote by hand.
"""

from tests.kit.recorder.checks import check
from tests.kit.recorder.history import History
from tests.kit.recorder.report import report
from tests.kit.recorder.watch import Recorder, recording

__all__ = ["History", "Recorder", "check", "recording", "report"]
