"""The notes that Helm prints after an install are short and true."""

import re
import textwrap

import pytest
import yaml

from stargate_lab.cluster import chart
from stargate_types import StargateJob
from tests.kit.rendered import EVERYTHING, rendered


def notes(values: str = "") -> str:
    arguments = ("install", chart.NAME, str(chart.CHART), *chart.on(chart.NAMESPACE))
    said = chart.helm(*arguments, "--dry-run=client", values=values)
    return said.partition("\nNOTES:\n")[2]


def job(said: str) -> StargateJob:
    manifest = re.search(r"<<'EOF'\n(.*)^ +EOF$", said, re.DOTALL | re.MULTILINE)
    assert manifest
    return StargateJob.model_validate(yaml.safe_load(textwrap.dedent(manifest[1])))


def test_notes_fit_a_screen() -> None:
    lines = notes().splitlines()
    assert len(lines) < 45
    assert max(map(len, lines)) <= 120


def test_notes_name_existing_objects() -> None:
    assert "rollout status deployment/stargate-operator" in notes()
    assert "helm -n stargate-system test stargate-operator" in notes()
    assert rendered().one("Deployment")["metadata"]["namespace"] == chart.NAMESPACE


def test_job_in_notes_uses_defaults_of_chart() -> None:
    spec = job(notes()).spec
    defaults = rendered().one("ConfigMap", "stargate-operator-defaults")["data"].values()
    brought = [yaml.safe_load(text)["spec"] for text in defaults]
    assert spec.accelerator_type in [each.get("acceleratorType") for each in brought]
    schemes = [entry["scheme"] for each in brought for entry in each.get("storage", ())]
    assert spec.dataset_path.partition("://")[0] in schemes


def test_job_in_notes_is_in_watched_namespace() -> None:
    said = notes(EVERYTHING)
    assert "runs the jobs of team-a, team-b." in said
    assert "kubectl -n team-a apply -f -" in said


def test_self_signed_certificate_comes_with_a_warning() -> None:
    assert "certificate.existingSecret" in notes()
    assert "certificate.existingSecret" not in notes("certificate: {existingSecret: theirs}")


@pytest.mark.parametrize(
    "values", ["defaults: {enabled: false}", "defaults: {acceleratorClasses: null}"]
)
def test_notes_name_no_disabled_part(values: str) -> None:
    assert "have the resource" in notes()
    assert "have the resource" not in notes(values)
