"""Reads an object of which some fields have values that this client does not know.

The operator may be newer, and an older schema may have let values in. One such object must not keep
anybody from seeing the others, so a value that cannot be read is kept as it came.
"""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, TypeVar, cast, get_args

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from stargate_types.base import Model

M = TypeVar("M", bound=Model)


def read_leniently(model: type[M], body: Mapping[str, Any]) -> M:
    """Never raises for a value. A required field that is missing is None."""
    try:
        return model.model_validate(body)
    except ValidationError:
        return _construct(model, body)


def _construct(model: type[M], body: Mapping[str, Any]) -> M:
    values = {}
    for name, field in model.model_fields.items():
        alias = field.alias or name
        if alias in body:
            values[name] = _value(model, name, body[alias])
        elif field.is_required():
            values[name] = None
    return cast("M", model.model_construct(**values))


def _value(model: type[Model], name: str, raw: Any) -> Any:
    try:
        return _adapter(model, name).validate_python(raw)
    except ValidationError:
        part = _part(model.model_fields[name])
    if part is None:
        return raw
    if isinstance(raw, Mapping):
        return _construct(part, raw)
    if isinstance(raw, list):
        return [_construct(part, each) for each in raw if isinstance(each, Mapping)]
    return raw


@cache
def _adapter(model: type[Model], name: str) -> TypeAdapter[Any]:
    field = model.model_fields[name]
    kind: Any = field.annotation
    return TypeAdapter(Annotated[(kind, *field.metadata)] if field.metadata else kind)


def _part(field: FieldInfo) -> type[Model] | None:
    """The model that the field holds, alone or in a list."""
    waiting: list[Any] = [field.annotation]
    while waiting:
        found = waiting.pop()
        if isinstance(found, type) and issubclass(found, Model):
            return found
        waiting.extend(get_args(found))
    return None
