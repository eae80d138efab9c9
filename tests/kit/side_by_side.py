"""The order of tests for the workers of pytest-xdist. It keeps the number of control planes low.

A worker gets one file after another. It stays in its folder while files are left there, because the
folder's control plane runs in that worker. Then it takes the folder with the most work per worker.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

SECONDS = {
    "tests/apiserver": 0.5,
    "tests/component": 0.1,
    "tests/faults": 20.0,
    "tests/install": 45.0,
    "tests/operator": 5.0,
    "tests/simulation": 10.0,
    "tests/unit": 0.05,
}
"""Rough seconds of one test, by folder, to estimate the remaining work."""
ALONE = ("tests/install",)
"""Folders whose tests each start their own control plane, so they may run on different workers."""


class OneFolderAWorker(LoadScopeScheduling):  # type: ignore[misc]
    def _split_scope(self, nodeid: str) -> str:
        file, _, _ = nodeid.partition("::")
        return nodeid if folder_of(file) in ALONE else file

    def _assign_work_unit(self, node: WorkerController) -> None:
        left = {scope: len(tests) for scope, tests in self.workqueue.items()}
        here = _folder(self.assigned_work.get(node, {}))
        others = [_folder(work) for other, work in self.assigned_work.items() if other is not node]
        self.workqueue.move_to_end(next_scope(left, here, others), last=False)
        super()._assign_work_unit(node)

    def _reschedule(self, node: WorkerController) -> None:
        """Give the worker its next file when it has one test left. A worker runs a test only when it
        knows the next one. More than one could be minutes of work that no other worker can take."""
        if node.shutting_down:
            return
        if not self.workqueue:
            node.shutdown()
        elif self._pending_of(self.assigned_work[node]) <= 1:
            self._assign_work_unit(node)


def next_scope(left: Mapping[str, int], here: str, others: Iterable[str]) -> str:
    """The next scope for a worker. `left` maps the remaining scopes to their numbers of tests.

    `here` is the folder of the worker, `others` are the folders of the other workers.
    """
    folders = {folder_of(scope) for scope in left}
    folder = here if here in folders else _most_work(left, Counter(others))
    ours = [scope for scope in left if folder_of(scope) == folder]
    return max(ours, key=lambda scope: left[scope])


def _most_work(left: Mapping[str, int], workers: Mapping[str, int]) -> str:
    """The folder with the most work per worker, if this worker joined it."""
    work: dict[str, float] = {}
    for scope, tests in left.items():
        folder = folder_of(scope)
        work[folder] = work.get(folder, 0.0) + tests * SECONDS.get(folder, 1.0)
    return max(work, key=lambda folder: work[folder] / (workers.get(folder, 0) + 1))


def folder_of(scope: str) -> str:
    """The first two parts of the path: `tests/unit` of `tests/unit/kube/test_tls.py::test_it`."""
    return str(PurePosixPath(*PurePosixPath(scope.partition("::")[0]).parts[:2]))


def _folder(assigned: Iterable[str]) -> str:
    scopes = list(assigned)
    return folder_of(scopes[-1]) if scopes else ""
