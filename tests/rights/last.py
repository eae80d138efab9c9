"""A pytest plugin: the tests of this folder run last, and know whether all other tests ran.

Where workers run the tests in parallel, the controller runs these tests after all workers have ended.
"""

from collections.abc import Generator
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from xdist import is_xdist_controller, is_xdist_worker

from stargate_lab.host.paths import REPO

HERE = Path(__file__).parent
RUN_OPERATORS = ("tests/operator", "tests/faults", "tests/install")
NAME = "rights come last"


class RightsComeLast:
    """`ran` holds the files of finished tests; `deselected` counts the tests that were left out."""

    def __init__(self) -> None:
        self.ran: set[str] = set()
        self.deselected = 0

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, items: list[pytest.Item]
    ) -> None:
        if is_xdist_worker(session):
            items[:] = [item for item in items if HERE not in item.path.parents]
        else:
            items.sort(key=lambda item: HERE in item.path.parents)

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self.deselected += len(items)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if is_xdist_worker(session):
            session.config.workeroutput["deselected"] = self.deselected  # type: ignore[attr-defined]

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Takes the count of any worker: each one collects all tests and deselects the same."""
        self.deselected = getattr(node, "workeroutput", {}).get("deselected", self.deselected)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.ran.add(report.nodeid.partition("::")[0])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Runs inside the loop, so that a failure here fails the run."""
        done = yield
        if is_xdist_controller(session) and _asked_for(session.config):
            others = session.testscollected
            items = session.perform_collect([str(HERE)])
            session.testscollected = others + len(items)
            for item, following in zip_longest(items, items[1:]):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        return done

    def left_out(self, arguments: list[str]) -> str:
        """A description of the tests that did not run; empty if all ran."""
        if self.deselected:
            return f"{self.deselected} deselected tests"
        if single := [each for each in arguments if "::" in each]:
            return f"the others beside {', '.join(single)}"
        every = {
            str(path.relative_to(REPO))
            for folder in RUN_OPERATORS
            for path in (REPO / folder).glob("test_*.py")
        }
        missing = every - self.ran
        return f"{len(missing)} of {len(every)} files" if missing else ""


def _asked_for(config: pytest.Config) -> bool:
    """True if the command line names this folder or a folder above it."""
    return any(
        (config.invocation_params.dir / argument.partition("::")[0]).resolve()
        in (HERE, *HERE.parents)
        for argument in config.args
    )
