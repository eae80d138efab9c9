"""The tests, values, commands and links that the documents name exist."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from stargate_lab.cluster import chart
from stargate_release.version import REPO
from stargate_types import AcceleratorClass, ComputeBlock, StargateJob, StargateRuntime

DOCS = REPO / "docs"
SECURITY = (DOCS / "security.md").read_text()
INSTALL = (DOCS / "install.md").read_text()
UPGRADE = (DOCS / "upgrade.md").read_text()
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
KINDS = {
    kind.__name__: kind for kind in (AcceleratorClass, ComputeBlock, StargateJob, StargateRuntime)
}


@cache
def functions_in(path: str) -> frozenset[str]:
    tree = ast.parse((REPO / path).read_text())
    functions = (
        each for each in tree.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    return frozenset(each.name for each in functions)


@pytest.mark.parametrize(("path", "name"), sorted(set(TEST.findall(SECURITY))))
def test_every_test_of_a_security_claim_exists(path: str, name: str) -> None:
    assert name in functions_in(path)


def claims() -> Iterator[str]:
    """The rows of each table whose last column says what shows it."""
    shown = False
    for line in SECURITY.splitlines():
        if not line.startswith("|"):
            shown = False
        elif line.endswith("| shown by |"):
            shown = True
        elif shown and set(line) - set("|-"):
            yield line


@pytest.mark.parametrize("row", [*claims()], ids=lambda row: row.split("|")[1].strip()[:60])
def test_every_security_claim_has_a_test(row: str) -> None:
    assert TEST.search(row.rstrip(" |").rpartition("|")[2])


def test_page_has_security_claims() -> None:
    assert len([*claims()]) > 30


def anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.M)
    return {re.sub(r"[^\w\s-]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize(
    "document",
    [*DOCS.rglob("*.md"), *REPO.glob("*.md"), *REPO.glob(".github/*.md")],
    ids=lambda path: str(path.relative_to(REPO)),
)
def test_every_link_has_a_target(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        path, _, anchor = target.partition("#")
        if "://" in path:
            continue
        found = document if not path else document.parent / path
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def stated(key: str) -> Any:
    """The value in values.yaml. Raises KeyError where there is none."""
    found = yaml.safe_load((chart.CHART / "values.yaml").read_text())
    for part in key.split("."):
        found = found[part]
    return found


@pytest.mark.parametrize(
    "text", [INSTALL, UPGRADE, SECURITY], ids=["install", "upgrade", "security"]
)
def test_every_value_in_the_documents_exists(text: str) -> None:
    for key in re.findall(r"--set '?([\w.]+)=", text):
        stated(key)


def test_values_on_the_page_render_the_stated_objects() -> None:
    (values,) = blocks(INSTALL, "yaml")
    rendered = yaml.safe_load(chart.template("defaults.yaml", values=values))
    made = [yaml.safe_load(text) for text in rendered["data"].values()]
    assert {(each["kind"], each["metadata"]["name"]) for each in made} == {
        ("AcceleratorClass", "h200"),
        ("ComputeBlock", "cluster"),
        ("ComputeBlock", "row-a"),
        ("StargateRuntime", "default"),
    }
    for each in made:
        KINDS[each["kind"]].model_validate(each)


def test_job_on_the_page_uses_a_stated_class() -> None:
    (manifest,) = re.findall(r"<<EOF\n(.*?)^EOF$", INSTALL, re.M | re.S)
    (values,) = blocks(INSTALL, "yaml")
    job = StargateJob.model_validate(yaml.safe_load(manifest))
    classes = yaml.safe_load(values)["defaults"]["acceleratorClasses"]
    assert job.spec.accelerator_type in {
        each["acceleratorType"] for each in classes.values() if each
    }


def test_every_make_target_in_the_documents_exists() -> None:
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", (REPO / "Makefile").read_text(), re.M))
    for document in [*DOCS.glob("*.md"), REPO / "README.md", REPO / "CONTRIBUTING.md"]:
        named = set(re.findall(r"`(?:\w+=\S+ )*make ([a-z][a-z0-9-]+)", document.read_text()))
        assert named <= targets, (document.name, named - targets)
