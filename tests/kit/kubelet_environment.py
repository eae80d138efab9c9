"""A container's environment as its process sees it: the kubelet expands references in the values.

`$(NAME)` gives the value of an earlier variable, and stays as it is if there is none. `$$` gives `$`.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

_MARK = re.compile(r"\$(\$|\(([^)]*)\))", re.DOTALL)


def expanded(entries: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The variables with literal values, each expanded by those before it."""
    seen: dict[str, str] = {}
    for entry in entries:
        if "valueFrom" not in entry:
            seen[entry["name"]] = expand(entry.get("value", ""), seen)
    return seen


def expand(text: str, known: Mapping[str, str]) -> str:
    def meaning(mark: re.Match[str]) -> str:
        return "$" if mark[1] == "$" else known.get(mark[2], mark[0])

    return _MARK.sub(meaning, text)
