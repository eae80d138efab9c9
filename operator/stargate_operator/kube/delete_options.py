"""The body of a DELETE request."""

import msgspec


class _Preconditions(msgspec.Struct):
    uid: str


class _DeleteOptions(msgspec.Struct, rename="camel", omit_defaults=True):
    api_version: str
    kind: str
    grace_period_seconds: int | None = None
    propagation_policy: str | None = None
    preconditions: _Preconditions | None = None


def delete_options(*, uid: str | None, grace: int | None, propagation: str | None) -> bytes:
    """The body of a DELETE. `uid`: the only object that may be deleted. `grace`: in seconds."""
    return msgspec.json.encode(
        _DeleteOptions(
            api_version="v1",
            kind="DeleteOptions",
            grace_period_seconds=grace,
            propagation_policy=propagation,
            preconditions=_Preconditions(uid) if uid is not None else None,
        )
    )
