"""Writes the table of causes into docs/recovery.md, from the operator's own rules.

`make manifests` calls `python -m stargate_generate.causes_table`.
"""

from collections.abc import Iterable

from stargate_generate.markdown import Row, table, with_part
from stargate_lab.host.paths import REPO
from stargate_operator.decide.causes import RULES
from stargate_operator.decide.plan import AVOID_NODE, UNCOUNTED

PAGE = REPO / "docs" / "recovery.md"
_HEAD = ("cause", "when", "counts", "node avoided")


def page(before: str) -> str:
    return with_part(before, "causes", table(_HEAD, _rows()))


def _rows() -> Iterable[Row]:
    for rule in RULES:
        counts = "no" if rule.cause in UNCOUNTED else "yes"
        avoided = "yes" if rule.cause in AVOID_NODE else ""
        yield f"`{rule.cause}`", rule.when, counts, avoided


def main() -> None:
    PAGE.write_text(page(PAGE.read_text()))


if __name__ == "__main__":
    main()
