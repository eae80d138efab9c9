"""The objects that a job refers to are found, or the refusal names the missing and existing ones."""

import pytest

from stargate_operator.model.blueprint import Refusal, resolve
from stargate_types import AcceleratorClass, StargateJob, StargateRuntime
from stargate_types.job import ResourceAllocation
from stargate_types.worker_template import WorkerTemplate
from tests.kit.builders import accelerator_class, blueprint, brought, job, runtime


def refusal(
    given: StargateJob,
    *,
    runtimes: list[StargateRuntime] | None = None,
    classes: list[AcceleratorClass] | None = None,
) -> tuple[str, str]:
    found = resolve(
        given,
        runtimes=[runtime()] if runtimes is None else runtimes,
        classes=[accelerator_class()] if classes is None else classes,
    )
    assert isinstance(found, Refusal)
    return found.reason, found.message


def test_job_without_runtime_gets_default_and_matching_class() -> None:
    other = accelerator_class("other", accelerator_type="h200")
    found = resolve(job(), runtimes=[runtime("x"), runtime()], classes=[other, accelerator_class()])
    assert not isinstance(found, Refusal)
    assert (found.runtime.metadata.name, found.accelerator.metadata.name) == (
        "default",
        "stargate-silicon-v2",
    )
    assert (found.image, found.devices_per_node, found.watts_per_node) == ("trainer:1", 8, 4000.0)


def test_runtime_is_found_by_its_name() -> None:
    found = resolve(
        job(runtime="torch"), runtimes=[runtime(), runtime("torch")], classes=[accelerator_class()]
    )
    assert not isinstance(found, Refusal)
    assert found.runtime.metadata.name == "torch"


def test_unknown_class_is_refused_with_existing_ones() -> None:
    classes = [accelerator_class("b", accelerator_type="h200"), accelerator_class("a")]
    reason, message = refusal(
        job(accelerator_type="tpu"), classes=[*classes, accelerator_class("c")]
    )
    assert reason == "AcceleratorClassNotFound"
    assert message == (
        "spec.acceleratorType: no AcceleratorClass states 'tpu';"
        " there are h200, stargate_silicon_v2, stargate_silicon_v2"
    )


@pytest.mark.parametrize(
    ("given", "runtimes", "reason", "message"),
    [
        (
            job(runtime="torch"),
            [],
            "RuntimeNotFound",
            "spec.runtime: there is no StargateRuntime 'torch'; there are none",
        ),
        (
            job(runtime="torch"),
            [runtime("b"), runtime("a")],
            "RuntimeNotFound",
            "spec.runtime: there is no StargateRuntime 'torch'; there are a, b",
        ),
        (
            job(),
            [runtime("a")],
            "RuntimeNotFound",
            "spec.runtime is not set and no StargateRuntime has spec.isDefault; there are a",
        ),
        (
            job(),
            [runtime(), runtime("a", is_default=True)],
            "RuntimeAmbiguous",
            "spec.runtime is not set and more than one StargateRuntime has spec.isDefault:"
            " a, default",
        ),
        (
            job(),
            [runtime(image=None)],
            "NoImage",
            "spec.template.image is not set and runtime 'default' has none",
        ),
        (
            job(runtime="bare"),
            [runtime("bare", checkpoint=None)],
            "NoCheckpointPlace",
            "spec.checkpoint.uri is not set and runtime 'bare' has no checkpoint.uriPrefix",
        ),
        (
            job(template=WorkerTemplate(service_account_name="admin")),
            [runtime(allowed_service_accounts=["data"])],
            "ServiceAccountNotAllowed",
            "spec.template.serviceAccountName: runtime 'default' allows data, default, not 'admin'",
        ),
        (
            job(template=WorkerTemplate(priority_class_name="high")),
            [runtime()],
            "PriorityClassNotAllowed",
            "spec.template.priorityClassName: runtime 'default' allows none, not 'high'",
        ),
    ],
)
def test_refusal_names_reason_and_field(
    given: StargateJob, runtimes: list[StargateRuntime], reason: str, message: str
) -> None:
    assert refusal(given, runtimes=runtimes) == (reason, message)


def test_own_runtime_and_class_precede_installed_ones() -> None:
    found = resolve(
        job(),
        runtimes=[brought(runtime()), runtime("mine", is_default=True)],
        classes=[accelerator_class("mine"), brought(accelerator_class())],
    )
    assert not isinstance(found, Refusal)
    assert (found.runtime.metadata.name, found.accelerator.metadata.name) == ("mine", "mine")


def test_two_own_default_runtimes_are_ambiguous() -> None:
    own = [runtime("a", is_default=True), runtime("b", is_default=True)]
    _, message = refusal(job(), runtimes=[*own, brought(runtime())])
    assert message.endswith("spec.isDefault: a, b")


def test_two_classes_of_one_type_are_ambiguous() -> None:
    reason, message = refusal(job(), classes=[accelerator_class("b"), accelerator_class("a")])
    assert reason == "AcceleratorClassAmbiguous"
    assert message.endswith("'stargate_silicon_v2': a, b")


def test_indivisible_gpu_equivalents_are_refused() -> None:
    reason, message = refusal(job(), classes=[accelerator_class(gpu_equivalents_per_device=3)])
    assert reason == "GpuEquivalentsDoNotDivide"
    assert "8 is not a multiple of 3" in message


def test_devices_are_gpu_equivalents_divided_by_device_share() -> None:
    found = blueprint(job(), class_=accelerator_class(gpu_equivalents_per_device=4))
    assert found.devices_per_node == 2
    wide = ResourceAllocation(nodes=1, gpu_equivalents_per_node=4096, memory_gb_per_node=1)
    assert blueprint(job(resource_allocation=wide)).devices_per_node == 4096


def test_refusal_names_at_most_ten_classes() -> None:
    many = [accelerator_class(f"c{n}", accelerator_type=f"type-{n:02}") for n in range(15)]
    _, message = refusal(job(accelerator_type="tpu"), classes=many)
    assert message.endswith("type-09 and 5 more")


@pytest.mark.parametrize("account", ["default", "data"])
def test_allowed_service_account_is_accepted(account: str) -> None:
    given = job(template=WorkerTemplate(service_account_name=account))
    blueprint(given, runtime_=runtime(allowed_service_accounts=["data"]))


def test_checkpoints_default_to_runtime_prefix_and_job_identity() -> None:
    assert blueprint(job()).checkpoint_base == "s3://bucket/checkpoints/team-a/train-8d2b5c1e"


def test_checkpoint_uri_of_job_replaces_runtime_prefix() -> None:
    assert blueprint(job(checkpoint_uri="gs://mine/here/")).checkpoint_base == "gs://mine/here"


def test_identity_contains_name_uid_and_generation() -> None:
    found = blueprint(job())
    assert (found.runtime_id, found.class_id) == (
        "default/runtime-uid/1",
        "stargate-silicon-v2/class-uid/1",
    )
