"""The comparison of rights needs the requests of all other tests, so it runs last."""

from types import SimpleNamespace

from stargate_lab.host.paths import REPO
from tests.rights.last import RUN_OPERATORS, RightsComeLast

EVERY = {
    str(path.relative_to(REPO))
    for folder in RUN_OPERATORS
    for path in (REPO / folder).glob("test_*.py")
}


def after(*files: str) -> RightsComeLast:
    plugin = RightsComeLast()
    plugin.ran.update(files)
    return plugin


def test_nothing_is_left_out_after_every_file() -> None:
    assert after(*EVERY).left_out(["tests"]) == ""


def test_a_missing_file_is_counted() -> None:
    some = sorted(EVERY)[1:]
    assert after(*some).left_out(["tests"]) == f"1 of {len(EVERY)} files"


def test_a_single_test_is_named() -> None:
    single = "tests/faults/test_gangs.py::test_it"
    assert after(*EVERY).left_out([single, "tests"]) == f"the others beside {single}"


def test_deselected_tests_of_workers_are_counted() -> None:
    plugin = after(*EVERY)
    plugin.pytest_testnodedown(SimpleNamespace(workeroutput={"deselected": 7}))
    assert plugin.left_out(["tests"]) == "7 deselected tests"
    plugin.pytest_testnodedown(SimpleNamespace())
    assert plugin.left_out(["tests"]) == "7 deselected tests"
