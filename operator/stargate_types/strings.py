"""Strings that several models share. Each has a pattern, and a message for a value that breaks it."""

from typing import Annotated

from pydantic import Field

from stargate_types.base import text

DnsLabel = Annotated[
    str,
    text(
        r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        "must be lower-case letters, digits and '-', and start and end with a letter or digit",
        max_length=63,
    ),
]


ObjectName = Annotated[
    str,
    text(
        r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$",
        "must be the name of an object: lower-case letters, digits, '-' and '.', starting and"
        " ending with a letter or digit",
        max_length=253,
    ),
]


LabelKey = Annotated[
    str,
    text(
        r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$",
        "must be a name of at most 63 letters, digits, '-', '_' and '.', with an"
        " optional DNS prefix before a '/'",
        max_length=317,
    ),
]


LabelValue = Annotated[
    str,
    text(
        r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$",
        "must be empty, or letters, digits, '-', '_' and '.', starting and ending with a letter or"
        " digit",
        min_length=0,
        max_length=63,
    ),
]


ImageName = Annotated[
    str, text(r"^\S+$", "must be an image reference without white space", max_length=1024)
]


AbsolutePath = Annotated[
    str, text("^/[^:]*$", "must be an absolute path without ':'", max_length=4096)
]


Words = Annotated[list[Annotated[str, Field(max_length=32768)]], Field(max_length=256)]
Uri = Annotated[
    str,
    text(
        r"^[A-Za-z][A-Za-z0-9+._-]*://\S+$",
        "must be a URI without white space, such as s3://bucket/folder",
        max_length=2048,
    ),
]


AcceleratorType = Annotated[
    str,
    text(
        "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$",
        "must be letters, digits, '.', '_' and '-', starting and ending with a letter or digit,"
        " such as stargate_silicon_v2",
        max_length=63,
    ),
]


Title = Annotated[
    str,
    text(r"^\S(.*\S)?$", "must be one line without white space at its ends", max_length=253),
]


Seconds = Annotated[int, Field(ge=0, le=315_360_000)]
