"""Strings that several models share. Each has a pattern, and a message for a value that breaks it.

The API server reads a pattern as RE2 and pydantic as Rust's regex. Both must judge alike, so a pattern
states its characters: `\\s`, `\\S`, `\\d` and `\\w` are ASCII in one and Unicode in the other.

See docs/decisions/0048-patterns-state-their-characters.md.
"""

from typing import Annotated

from pydantic import Field

from stargate_types.base import text

_CONTROL = r"\x{0}-\x{1f}\x{7f}-\x{9f}\x{2028}\x{2029}"
"""Control characters, and those that end a line."""
_SPACE = r"\x{20}\x{a0}\x{1680}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}"
"""Unicode's white space, beside the control characters."""
VISIBLE = f"[^{_CONTROL}{_SPACE}]"
"""One character that is neither white space nor a control character."""
ON_ONE_LINE = f"[^{_CONTROL}]"
PRINTABLE = "[!-~]"
"""One visible ASCII character."""

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
    str,
    text(
        f"^{PRINTABLE}+$",
        "must be an image reference: visible ASCII characters without white space",
        max_length=1024,
    ),
]


AbsolutePath = Annotated[
    str,
    text(
        f"^/[^:{_CONTROL}]*$",
        "must be an absolute path without ':' and control characters",
        max_length=4096,
    ),
]


Words = Annotated[list[Annotated[str, Field(max_length=32768)]], Field(max_length=256)]
Uri = Annotated[
    str,
    text(
        f"^[A-Za-z][A-Za-z0-9+._-]*://{VISIBLE}+$",
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
    text(
        f"^{VISIBLE}({ON_ONE_LINE}*{VISIBLE})?$",
        "must be one line without white space at its ends and without control characters",
        max_length=253,
    ),
]

MountPath = Annotated[
    str,
    text(
        f"^/[^:{_CONTROL}]+$",
        "must be an absolute path below / and without ':' and control characters",
        max_length=4096,
    ),
]


Seconds = Annotated[int, Field(ge=0, le=315_360_000)]
