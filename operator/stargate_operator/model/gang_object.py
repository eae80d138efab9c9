"""An object that a gang needs beside its pods: its Service, or its PodGroup."""

import msgspec


class GangObject(msgspec.Struct, frozen=True, gc=False):
    """The metadata of one Service or PodGroup, which is all that a decision needs.

    `job_uid` is what its label says. `owner_uid` is the UID of its controller, empty without one.
    """

    name: str
    namespace: str
    uid: str
    resource_version: int
    job_uid: str
    owner_uid: str = ""
    deleting: bool = False
