"""The base of every model: camelCase in JSON, immutability, and validation rules.

Reading ignores unknown fields, because an operator may be older than the CRD. On writing, the API
server prunes or refuses them.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel


class Rule(NamedTuple):
    """One CEL rule of a model: `message` names the field in full and says what would be right."""

    rule: str
    message: str
    field_path: str = ""
    reason: Literal["FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired"] = (
        "FieldValueInvalid"
    )


def _state_rules(schema: dict[str, Any], model: type["Model"]) -> None:
    """Adds the model's rules to its JSON schema, where `crd` reads them."""
    if model.rules:
        schema["rules"] = [rule._asdict() for rule in model.rules]


class Model(BaseModel):
    """A part of a custom resource. `rules` become `x-kubernetes-validations` of its schema."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        json_schema_extra=_state_rules,
    )
    rules: ClassVar[tuple[Rule, ...]] = ()


def text(pattern: str, must: str, *, max_length: int, min_length: int = 1) -> Any:
    """A string that matches a pattern. `must` is the API server's message where it does not.

    Without it the server would answer with the regular expression, which does not say what is right.
    """
    return Field(
        min_length=min_length,
        max_length=max_length,
        pattern=pattern,
        json_schema_extra={"must": must},
    )


INSTALLED_SPEC = "stargate.dev/installed-spec"
"""Annotation of an object that the installation brought. It holds the spec as it was brought."""


class ObjectMeta(Model):
    """The part of an object's metadata that the project reads."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    finalizers: tuple[str, ...] = ()
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}

    @property
    def brought(self) -> bool:
        """True if the installation brought the object, so that a user's own one is preferred."""
        return INSTALLED_SPEC in self.annotations


def _as_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _as_micro_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


_TIME_SCHEMA: dict[str, Any] = {"type": "string", "format": "date-time"}

Time = Annotated[datetime, PlainSerializer(_as_time), WithJsonSchema(_TIME_SCHEMA)]
"""metav1.Time: whole seconds in UTC, as in conditions and start times."""

MicroTime = Annotated[datetime, PlainSerializer(_as_micro_time), WithJsonSchema(_TIME_SCHEMA)]
"""metav1.MicroTime: microseconds in UTC, for attempts, which may differ by less than a second."""


def _int_or_string(pattern: str) -> WithJsonSchema:
    """The schema of a quantity. It uses a pattern, because CEL over int-or-string is too expensive."""
    return WithJsonSchema(
        {"x-kubernetes-int-or-string": True, "minimum": 0, "maxLength": 32, "pattern": pattern}
    )


Quantity = Annotated[
    str,
    BeforeValidator(str),
    _int_or_string(r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$"),
]
"""A Kubernetes quantity: `500m`, `4`, `16Gi`."""

DeviceCount = Annotated[str, BeforeValidator(str), _int_or_string("^[1-9][0-9]*$")]
"""A quantity of an extended resource, which Kubernetes assigns in whole numbers only."""
