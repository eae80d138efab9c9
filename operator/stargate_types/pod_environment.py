"""The environment variables of a worker that a job or a runtime may set."""

from typing import Annotated

from pydantic import Field

from stargate_types.base import Model, Rule, text
from stargate_types.strings import ObjectName


class KeySelector(Model):
    """One key of a ConfigMap or Secret."""

    name: ObjectName = Field(description="Name of the ConfigMap or Secret in the job's namespace.")
    key: Annotated[str, Field(min_length=1, max_length=253)] = Field(
        description="The key to take the value from."
    )
    optional: bool = Field(default=False, description="True if the object or key may be absent.")


class FieldSelector(Model):
    """A field of the worker pod."""

    field_path: Annotated[str, Field(min_length=1, max_length=253)] = Field(
        description="A field of the worker pod, such as metadata.name or status.podIP."
    )


class ResourceFieldSelector(Model):
    """A resource of the container."""

    resource: Annotated[str, Field(min_length=1, max_length=253)] = Field(
        description="A resource of the container, such as limits.memory."
    )


class EnvVarSource(Model):
    """The source of a variable's value."""

    rules = (
        Rule(
            "[has(self.configMapKeyRef), has(self.secretKeyRef), has(self.fieldRef),"
            " has(self.resourceFieldRef)].exists_one(x, x)",
            "valueFrom must set exactly one of configMapKeyRef, secretKeyRef, fieldRef,"
            " resourceFieldRef",
        ),
    )
    config_map_key_ref: KeySelector | None = Field(default=None, description="A ConfigMap's key.")
    secret_key_ref: KeySelector | None = Field(default=None, description="A Secret's key.")
    field_ref: FieldSelector | None = Field(default=None, description="A field of the pod.")
    resource_field_ref: ResourceFieldSelector | None = Field(
        default=None, description="A resource of the container."
    )


class EnvVar(Model):
    """A variable in the environment of a container."""

    rules = (
        Rule(
            "!(has(self.value) && has(self.valueFrom))",
            "env: an entry has either value or valueFrom, not both",
        ),
        Rule(
            "!self.name.startsWith('STARGATE_') && !self.name.startsWith('PET_')"
            " && self.name != 'JOB_COMPLETION_INDEX'",
            "env: names that start with STARGATE_ or PET_, and JOB_COMPLETION_INDEX, are set by"
            " the operator; choose another name",
            ".name",
            "FieldValueForbidden",
        ),
    )
    name: Annotated[
        str,
        text(
            "^[!-<>-~]+$",
            "must be visible ASCII characters without '=' and white space",
            max_length=256,
        ),
    ] = Field(description="Name of the variable.")
    value: Annotated[str, Field(max_length=32768)] | None = Field(
        default=None, description="A literal value."
    )
    value_from: EnvVarSource | None = Field(default=None, description="Source of the value.")


class ObjectReference(Model):
    """An object in the job's namespace."""

    name: ObjectName = Field(description="Name of the object in the job's namespace.")


class EnvFromSource(Model):
    """A ConfigMap or Secret whose keys become variables."""

    rules = (
        Rule(
            "has(self.configMapRef) != has(self.secretRef)",
            "envFrom: an entry has exactly one of configMapRef and secretRef",
        ),
        Rule(
            "!has(self.prefix) || (!self.prefix.startsWith('STARGATE_')"
            " && !self.prefix.startsWith('PET_'))",
            "envFrom: a prefix must not start with STARGATE_ or PET_, which the operator sets",
            ".prefix",
            "FieldValueForbidden",
        ),
    )
    prefix: Annotated[str, Field(max_length=128)] | None = Field(
        default=None, description="Prepended to every key."
    )
    config_map_ref: ObjectReference | None = Field(default=None, description="A ConfigMap.")
    secret_ref: ObjectReference | None = Field(default=None, description="A Secret.")
