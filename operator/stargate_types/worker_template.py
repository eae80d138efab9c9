"""The settings of worker pods that a job may state: an allow-list, never a raw PodSpec."""

from typing import Annotated, Literal

from pydantic import Field

from stargate_types.base import Model, Quantity, Rule
from stargate_types.pod_environment import EnvFromSource, EnvVar, ObjectReference
from stargate_types.podparts import InitContainer, Volume, VolumeMount
from stargate_types.strings import ImageName, LabelKey, LabelValue, ObjectName, Words


class WorkerTemplate(Model):
    """Settings of the worker pods beyond the article's fields: an allow-list."""

    image: ImageName | None = Field(
        default=None, description="Image of the worker. The runtime's image by default."
    )
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = Field(
        default=None, description="When the image is pulled. The runtime's policy by default."
    )
    image_pull_secrets: Annotated[list[ObjectReference], Field(max_length=16)] | None = Field(
        default=None,
        description="Secrets of the job's namespace for pulling images.",
        json_schema_extra={"key": "name"},
    )
    command: Words | None = Field(
        default=None, description="Entry point of the worker. The runtime's by default."
    )
    args: Words | None = Field(
        default=None, description="Arguments of the entry point. The runtime's by default."
    )
    env: Annotated[list[EnvVar], Field(max_length=256)] | None = Field(
        default=None,
        description="Environment variables, added to the runtime's. Where both set a name, this value"
        " wins.",
        json_schema_extra={"key": "name"},
    )
    env_from: Annotated[list[EnvFromSource], Field(max_length=16)] | None = Field(
        default=None, description="ConfigMaps and Secrets whose keys become environment variables."
    )
    cpu: Quantity | None = Field(
        default=None, description="CPU of each worker: request and limit. The runtime's by default."
    )
    ephemeral_storage: Quantity | None = Field(
        default=None,
        description="Scratch space of each worker: request and limit. The runtime's by default.",
    )
    volumes: Annotated[list[Volume], Field(max_length=32)] | None = Field(
        default=None,
        description="Volumes, added to the runtime's.",
        json_schema_extra={"key": "name"},
    )
    volume_mounts: Annotated[list[VolumeMount], Field(max_length=32)] | None = Field(
        default=None,
        description="Paths at which the worker sees the volumes.",
        json_schema_extra={"key": "mountPath"},
    )
    labels: Annotated[dict[LabelKey, LabelValue], Field(max_length=32)] | None = Field(
        default=None, description="Labels added to the worker pods."
    )
    annotations: (
        Annotated[dict[LabelKey, Annotated[str, Field(max_length=4096)]], Field(max_length=32)]
        | None
    ) = Field(default=None, description="Annotations added to the worker pods.")
    init_containers: Annotated[list[InitContainer], Field(max_length=8)] | None = Field(
        default=None,
        description="Containers that run to their end before the worker starts.",
        json_schema_extra={"key": "name"},
    )
    termination_grace_period_seconds: Annotated[int, Field(ge=1, le=3600)] | None = Field(
        default=None,
        description="Seconds between SIGTERM and SIGKILL, in which a worker may save. The runtime's by"
        " default.",
    )
    service_account_name: ObjectName | None = Field(
        default=None,
        description="ServiceAccount of the workers: `default`, or one of the runtime's"
        " allowedServiceAccounts.",
    )
    priority_class_name: ObjectName | None = Field(
        default=None,
        description="PriorityClass of the workers: one of the runtime's allowedPriorityClasses. None by"
        " default.",
    )
    rules = (
        Rule(
            "!has(self.labels) || self.labels.all(k, !k.startsWith('stargate.dev/'))",
            "spec.template.labels: keys under stargate.dev/ belong to the operator",
            ".labels",
            "FieldValueForbidden",
        ),
        Rule(
            "!has(self.annotations) || self.annotations.all(k, !k.startsWith('stargate.dev/'))",
            "spec.template.annotations: keys under stargate.dev/ belong to the operator",
            ".annotations",
            "FieldValueForbidden",
        ),
    )
