"""The part of an object's metadata that the operator reads, in its JSON form."""

from __future__ import annotations

from datetime import datetime

import msgspec


class OwnerReference(msgspec.Struct, rename="camel", frozen=True, gc=False):
    """An owner of an object."""

    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False


class ObjectMeta(msgspec.Struct, rename="camel", frozen=True, gc=False):
    """The fields of an object's metadata that the operator reads."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: list[OwnerReference] | None = None

    @property
    def controller_uid(self) -> str:
        """The UID of the owner that controls the object, or an empty string."""
        return next((o.uid for o in self.owner_references or () if o.controller), "")


class Partial(msgspec.Struct, frozen=True, gc=False):
    """A PartialObjectMetadata, or the metadata of anything."""

    metadata: ObjectMeta


class ListMeta(msgspec.Struct, rename="camel"):
    """The metadata of a page of a list: its version, and the token of the next page."""

    resource_version: str = "0"
    continue_: str = msgspec.field(name="continue", default="")
