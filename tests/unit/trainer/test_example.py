"""The example on kind is complete: the job's references and paths lead to its other files, or to objects
of the chart."""

from typing import Any

import pytest

from stargate_operator.desired.environment import ReportTarget
from stargate_operator.desired.pods import worker_pod
from stargate_operator.model.blueprint import Blueprint, resolve
from stargate_trainer.strategies import strategy
from stargate_types import AcceleratorClass, StargateJob, StargateRuntime
from stargate_types.base import Model
from tests.kit.example_on_kind import example

MODELS: dict[str, type[Model]] = {
    "AcceleratorClass": AcceleratorClass,
    "StargateRuntime": StargateRuntime,
    "StargateJob": StargateJob,
}


@pytest.fixture
def parts() -> dict[str, Any]:
    return example()


@pytest.fixture
def pod(parts: dict[str, Any]) -> dict[str, Any]:
    job = StargateJob.model_validate(parts["StargateJob"])
    blueprint = resolve(
        job,
        runtimes=[StargateRuntime.model_validate(parts["StargateRuntime"])],
        classes=[AcceleratorClass.model_validate(parts["AcceleratorClass"])],
    )
    assert isinstance(blueprint, Blueprint), blueprint
    return worker_pod(job, blueprint, attempt=1, rank="0", target=ReportTarget("https://x", "CA"))


@pytest.mark.parametrize("kind", MODELS)
def test_example_has_only_known_fields(parts: dict[str, Any], kind: str) -> None:
    spec = parts[kind]["spec"]
    read = MODELS[kind].model_validate(parts[kind])
    assert read.model_dump(by_alias=True, exclude_unset=True)["spec"] == spec


def test_example_strategy_is_known_to_the_trainer(parts: dict[str, Any]) -> None:
    strategy(parts["StargateJob"]["spec"]["optimizationStrategy"])


def test_example_data_is_in_the_volume(pod: dict[str, Any], parts: dict[str, Any]) -> None:
    worker = pod["spec"]["containers"][0]
    told = {each["name"]: each["value"] for each in worker["env"]}
    assert told["STARGATE_DATASET_PATH"] == "/storage/datasets/stargate-text"
    assert told["STARGATE_CHECKPOINT_PATH"].startswith("/storage/checkpoints/default/")
    mounted = {each["mountPath"]: each["name"] for each in worker["volumeMounts"]}
    claims = {
        each["name"]: each["persistentVolumeClaim"]["claimName"]
        for each in pod["spec"]["volumes"]
        if "persistentVolumeClaim" in each
    }
    assert claims[mounted["/storage"]] == parts["PersistentVolumeClaim"]["metadata"]["name"]


def test_example_volume_uses_the_claim(parts: dict[str, Any]) -> None:
    volume, claim = parts["PersistentVolume"], parts["PersistentVolumeClaim"]
    wanted = {key: claim["metadata"][key] for key in ("namespace", "name")}
    assert volume["spec"]["claimRef"] == wanted
    assert claim["spec"]["volumeName"] == volume["metadata"]["name"]
    assert claim["metadata"]["namespace"] == parts["StargateJob"]["metadata"]["namespace"]
