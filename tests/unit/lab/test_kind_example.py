"""`make kind` needs no more of the chart than its defaults and a small file of values."""

import pytest
import yaml
from rich.console import Console

from stargate_lab.cluster import chart
from stargate_lab.cluster.kind import RESOURCE
from stargate_lab.commands import kind_example
from stargate_lab.host.paths import REPO
from stargate_lab.toolchain.images import OPERATOR, TRAINER
from tests.kit.example_on_kind import example

PAGE = (REPO / "docs" / "kind.md").read_text()
STEPS = kind_example.steps(kind_example.CLUSTER, Console())


def test_chart_defaults_name_the_images_built_here() -> None:
    (deployment,) = yaml.safe_load_all(
        chart.template("deployment.yaml", arguments=chart.given(kind_example.VALUES))
    )
    (operator,) = deployment["spec"]["template"]["spec"]["containers"]
    assert operator["image"] == OPERATOR.tag
    assert operator["imagePullPolicy"] == "IfNotPresent"
    assert example()["StargateRuntime"]["spec"]["image"] == TRAINER.tag


def test_kind_nodes_match_the_default_class() -> None:
    wanted = example()["AcceleratorClass"]["spec"]
    nodes = yaml.safe_load(kind_example.CLUSTER.config.read_text())["nodes"]
    workers = [node["labels"] for node in nodes if node["role"] == "worker"]
    assert workers == [wanted["nodeSelector"]] * 2
    assert wanted["resourceName"] == RESOURCE


def test_a_folder_of_this_machine_is_the_storage() -> None:
    nodes = yaml.safe_load(kind_example.CLUSTER.config.read_text())["nodes"]
    (mount,) = next(node["extraMounts"] for node in nodes if node["role"] == "worker")
    assert REPO / mount["hostPath"] == kind_example.CLUSTER.directory / "storage"
    path = example()["PersistentVolume"]["spec"]["hostPath"]["path"]
    assert path == f"{mount['containerPath']}/default"


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.what)
def test_the_page_has_its_steps_as_commands(step: kind_example.Step) -> None:
    assert step.command in PAGE
