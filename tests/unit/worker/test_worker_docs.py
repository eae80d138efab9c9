"""docs/worker.md uses calls that exist, and lists every variable."""

import re
from pathlib import Path

from stargate_kit.report_fakes import certificate
from stargate_lab.host.paths import REPO
from stargate_operator.desired.environment import environment
from stargate_worker import Worker
from stargate_worker.environment import read
from tests.kit.builders import TARGET, blueprint, job
from tests.unit.worker.fake_operator import environ

DOC = (REPO / "docs" / "worker.md").read_text()


def test_worker_page_example_compiles() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", DOC, re.DOTALL)
    compile(example, "docs/worker.md", "exec")


def test_worker_page_names_only_existing_attributes(tmp_path: Path) -> None:
    worker = Worker(read(environ(STARGATE_REPORT_CA=certificate(tmp_path)[0].read_text())))
    table = re.search(r"\| `worker\.` \|.*?\n\n", DOC, re.DOTALL)
    assert table
    listed = [name for row in table[0].splitlines()[2:] for name in re.findall(r"`([a-z_]+)`", row)]
    called = re.findall(r"(?<![a-z_/])worker\.([a-z_]+)\b(?!\.md)", DOC)
    missing = [name for name in [*listed, *called] if not hasattr(worker, name)]
    assert set(missing) == {"epoch", "step", "path", "uri"}, "the fields of worker.resume alone"


def test_worker_page_lists_every_variable() -> None:
    told = environment(job(), blueprint(job()), attempt=1, rank="0", target=TARGET)
    ours = {each["name"] for each in told if each["name"].startswith("STARGATE_")}
    assert {name for name in ours if f"`{name}`" not in DOC} == set()
