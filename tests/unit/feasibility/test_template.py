"""The worker template that a job and its runtime give together."""

from typing import Any

import pytest

from stargate_feasibility.template import MergedTemplate, merge
from stargate_types.pod_environment import EnvFromSource, EnvVar, ObjectReference
from stargate_types.podparts import VolumeMount
from stargate_types.worker_template import WorkerTemplate
from tests.kit.builders import job, runtime

SECRETS = [ObjectReference(name="runtime-s")]
MORE_SECRETS = [ObjectReference(name="job-s")]
SOURCE = EnvFromSource(config_map_ref=ObjectReference(name="runtime-s"))
OTHER_SOURCE = EnvFromSource(config_map_ref=ObjectReference(name="job-s"))


def merged(asked: dict[str, Any], default: dict[str, Any]) -> MergedTemplate:
    return merge(job(template=WorkerTemplate(**asked)), runtime(**default))


@pytest.mark.parametrize(
    ("name", "default", "asked"),
    [
        ("image", "runtime:1", "job:1"),
        ("image_pull_policy", "Always", "Never"),
        ("image_pull_secrets", SECRETS, MORE_SECRETS),
        ("command", ["runtime"], ["job"]),
        ("args", ["runtime"], ["job"]),
        ("cpu", "1", "2"),
        ("ephemeral_storage", "1G", "2G"),
        ("termination_grace_period_seconds", 60, 90),
    ],
)
def test_value_of_job_replaces_that_of_runtime(name: str, default: Any, asked: Any) -> None:
    def value(template: MergedTemplate) -> Any:
        found = getattr(template, name)
        return list(found) if isinstance(found, tuple) else found

    assert value(merged({}, {name: default})) == default
    assert value(merged({name: asked}, {name: default})) == asked
    assert value(merged({name: asked}, {})) == asked


def test_entry_of_job_replaces_runtime_entry_in_place() -> None:
    default = [EnvVar(name="A", value="runtime"), EnvVar(name="B", value="runtime")]
    found = merged(
        {"env": [EnvVar(name="A", value="job"), EnvVar(name="C", value="job")]}, {"env": default}
    )
    assert [(entry.name, entry.value) for entry in found.env] == [
        ("A", "job"),
        ("B", "runtime"),
        ("C", "job"),
    ]


def test_mounts_are_merged_by_their_path() -> None:
    default = VolumeMount(name="runtime-v", mount_path="/data")
    asked = VolumeMount(name="job-v", mount_path="/data")
    found = merged({"volume_mounts": [asked]}, {"volume_mounts": [default]})
    assert found.volume_mounts == (asked,)


def test_sources_of_runtime_come_before_those_of_job() -> None:
    found = merged({"env_from": [OTHER_SOURCE]}, {"env_from": [SOURCE]})
    assert found.env_from == (SOURCE, OTHER_SOURCE)


def test_job_without_template_has_every_default() -> None:
    found = merge(job(), runtime(image=None))
    assert found == MergedTemplate(image=None, command=found.command)
    assert found.service_account_name == "default"
    assert found.termination_grace_period_seconds == 30
