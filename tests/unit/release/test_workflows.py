"""The workflows of GitHub Actions call only what exists and have only the rights that they need."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from stargate_release.version import REPO

FOLDER = REPO / ".github" / "workflows"
FILES = sorted(FOLDER.glob("*.yml"))
PINNED = re.compile(r"uses: [\w-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
RIGHTS = {
    "ci": {},
    "release": {
        "build": {"packages"},
        "images": {"packages", "id-token", "attestations"},
        "chart": {"packages", "id-token", "attestations"},
        "package": {"id-token", "attestations"},
        "pypi": {"id-token"},
        "github": {"contents"},
    },
}
"""The write permissions of a job, beside reading the repository."""

Json = dict[str, Any]


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def file(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.fixture
def workflow(file: Path) -> Json:
    loaded: Json = yaml.safe_load(file.read_text())
    return loaded


def scripts(workflow: Json) -> Iterator[str]:
    for job in workflow["jobs"].values():
        for step in job.get("steps", ()):
            if "run" in step:
                yield step["run"]


def words(script: str) -> list[str]:
    return shlex.split(script.replace("\\\n", " "), comments=True)


def targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z0-9-]*):", (REPO / "Makefile").read_text(), re.M))


def test_workflows_exist_for_changes_and_releases() -> None:
    assert [path.stem for path in FILES] == ["ci", "release"]


def test_each_script_is_bash(workflow: Json) -> None:
    for script in scripts(workflow):
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_no_script_contains_untrusted_input(workflow: Json) -> None:
    """A name of a tag or a branch is anybody's words: they come as variables, never as code."""
    for script in scripts(workflow):
        assert "${{" not in script


def test_every_command_of_a_script_exists(workflow: Json) -> None:
    ours = {path.name for path in REPO.iterdir() if path.is_dir() and path.name != ".run"}
    for script in scripts(workflow):
        said = words(script)
        for before, word in zip(["", *said], said, strict=False):
            if before == "make":
                assert word in targets()
            elif before == "-m":
                assert any((REPO / root / word).is_dir() for root in ("tools", "operator")), word
            elif "/" in word and word.partition("/")[0] in ours - {"dist"}:
                assert (REPO / word).exists(), word


def test_every_action_is_pinned_and_states_its_version(file: Path) -> None:
    used = [line.strip(" -") for line in file.read_text().splitlines() if "uses: " in line]
    assert used
    for line in used:
        local = re.fullmatch(r"uses: \./(\S+)", line)
        assert (REPO / local[1]).is_file() if local else PINNED.fullmatch(line), line


def test_one_action_has_one_version() -> None:
    used = {
        line.strip(" -")
        for path in FILES
        for line in path.read_text().splitlines()
        if "uses: " in line and "@" in line
    }
    assert len({line.partition("@")[0] for line in used}) == len(used), used


def test_job_has_only_the_write_rights_it_needs(file: Path, workflow: Json) -> None:
    assert workflow["permissions"] == {"contents": "read"}
    found = {}
    for name, job in workflow["jobs"].items():
        rights: dict[str, str] = job.get("permissions", {})
        written = {what for what, how in rights.items() if how == "write"}
        assert set(rights.values()) <= {"read", "write"}
        if written:
            found[name] = written
    assert found == RIGHTS[file.stem]


def test_no_checkout_keeps_its_token(workflow: Json) -> None:
    for job in workflow["jobs"].values():
        for step in job.get("steps", ()):
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_jobs_need_existing_jobs_and_have_timeouts(workflow: Json) -> None:
    for name, job in workflow["jobs"].items():
        needs = job.get("needs", [])
        for needed in [needs] if isinstance(needs, str) else needs:
            assert needed in workflow["jobs"], f"{name} needs {needed}"
        assert "uses" in job or job["timeout-minutes"] <= 60


def before(jobs: Json, name: str) -> set[str]:
    """All jobs that have succeeded when this one begins."""
    needs = jobs[name].get("needs", [])
    direct = {needs} if isinstance(needs, str) else set(needs)
    return direct.union(*(before(jobs, each) for each in direct))


def test_publication_needs_all_tests_and_builds() -> None:
    jobs = yaml.safe_load((FOLDER / "release.yml").read_text())["jobs"]
    assert {"check", "tests"} <= before(jobs, "build")
    assert before(jobs, "pypi") == {"check", "tests", "build", "images", "chart", "package"}
    assert before(jobs, "github") == set(jobs) - {"github"}


def test_every_download_was_uploaded_before() -> None:
    jobs = yaml.safe_load((FOLDER / "release.yml").read_text())["jobs"]
    uploaded = {
        step["with"]["name"].partition("-")[0]: name
        for name, job in jobs.items()
        for step in job.get("steps", ())
        if step.get("uses", "").startswith("actions/upload-artifact@")
    }
    for name, job in jobs.items():
        for step in job.get("steps", ()):
            if step.get("uses", "").startswith("actions/download-artifact@"):
                asked = step["with"].get("name") or step["with"]["pattern"]
                for artifact in re.findall(r"[a-z]+", asked.partition("-$")[0]):
                    assert uploaded[artifact] in before(jobs, name), artifact
