"""The chart as it is published."""

from pathlib import Path

import pytest
import yaml

from stargate_lab.cluster import chart
from tests.kit.rendered import rendered


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    chart.helm("package", str(chart.CHART), "--destination", str(folder))
    (found,) = folder.iterdir()
    return found


def test_package_renders_like_the_folder(archive: Path) -> None:
    text = chart.helm("template", chart.NAME, str(archive), *chart.on(chart.NAMESPACE))
    found = [each for each in yaml.load_all(text, yaml.CSafeLoader) if each]
    assert {f"{each['kind']}/{each['metadata']['name']}" for each in found} == rendered().names


def test_helm_lint_accepts_the_chart() -> None:
    assert "0 chart(s) failed" in chart.helm("lint", "--strict", str(chart.CHART))
