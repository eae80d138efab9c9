"""The worker template of one job: what the job asks for, merged with the defaults of its runtime.

This is the only place that knows how the two are merged. Single values of the job replace the
runtime's. Lists with a key (`env`, `volumes`, `volumeMounts`) are merged by that key, and the job's
entry wins. Other lists are joined, the runtime's entries first.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Literal, TypeVar

from stargate_types import StargateJob, StargateRuntime
from stargate_types.pod_environment import EnvFromSource, EnvVar, ObjectReference
from stargate_types.podparts import InitContainer, RuntimeVolume, Volume, VolumeMount
from stargate_types.worker_template import WorkerTemplate

DEFAULT_SERVICE_ACCOUNT = "default"
DEFAULT_GRACE_SECONDS = 30

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class MergedTemplate:
    """The settings of a worker pod that a job or its runtime may choose, with every default applied.

    Manifests and resource needs are made from it. An empty tuple, dict or None means that neither of
    the two says anything. `termination_grace_period_seconds` is the time between SIGTERM and SIGKILL.
    """

    image: str | None = None
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    image_pull_secrets: tuple[ObjectReference, ...] = ()
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[EnvVar, ...] = ()
    env_from: tuple[EnvFromSource, ...] = ()
    cpu: str | None = None
    ephemeral_storage: str | None = None
    volumes: tuple[Volume | RuntimeVolume, ...] = ()
    volume_mounts: tuple[VolumeMount, ...] = ()
    init_containers: tuple[InitContainer, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    termination_grace_period_seconds: int = DEFAULT_GRACE_SECONDS
    service_account_name: str = DEFAULT_SERVICE_ACCOUNT
    priority_class_name: str | None = None


def merge(job: StargateJob, runtime: StargateRuntime) -> MergedTemplate:
    """Merges the job's `spec.template` with the runtime's spec."""
    asked, default = job.spec.template or WorkerTemplate(), runtime.spec
    return MergedTemplate(
        image=asked.image or default.image,
        image_pull_policy=asked.image_pull_policy or default.image_pull_policy,
        image_pull_secrets=tuple(asked.image_pull_secrets or default.image_pull_secrets or ()),
        command=tuple(asked.command or default.command or ()),
        args=tuple(asked.args or default.args or ()),
        env=_by_key(lambda entry: entry.name, default.env, asked.env),
        env_from=_joined(default.env_from, asked.env_from),
        cpu=asked.cpu or default.cpu,
        ephemeral_storage=asked.ephemeral_storage or default.ephemeral_storage,
        volumes=_by_key(lambda volume: volume.name, default.volumes, asked.volumes),
        volume_mounts=_by_key(
            lambda mount: mount.mount_path, default.volume_mounts, asked.volume_mounts
        ),
        init_containers=_joined(default.init_containers, asked.init_containers),
        labels=dict(asked.labels or {}),
        annotations=dict(asked.annotations or {}),
        termination_grace_period_seconds=(
            asked.termination_grace_period_seconds
            or default.termination_grace_period_seconds
            or DEFAULT_GRACE_SECONDS
        ),
        service_account_name=asked.service_account_name or DEFAULT_SERVICE_ACCOUNT,
        priority_class_name=asked.priority_class_name,
    )


def _joined(*parts: Iterable[T] | None) -> tuple[T, ...]:
    return tuple(chain.from_iterable(part or () for part in parts))


def _by_key(key: Callable[[T], str], *parts: Iterable[T] | None) -> tuple[T, ...]:
    """The later of two entries with one key wins, in the place of the earlier one."""
    return tuple({key(entry): entry for entry in _joined(*parts)}.values())
