"""Markdown that a generator writes into a page which people write around it."""

from collections.abc import Iterable, Sequence

END = "<!-- to here -->"
Row = Sequence[str]


def begin(what: str, by: str = "make manifests") -> str:
    """The mark after which the generated part `what` stands; `END` closes it."""
    return f"<!-- `{by}` writes the {what} from here -->"


def table(head: Row, rows: Iterable[Row]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def with_part(page: str, what: str, part: str, *, by: str = "make manifests") -> str:
    """The page with `part` between the marks of `what`. Raises ValueError where a mark is missing."""
    head, mark, rest = page.partition(begin(what, by))
    _, end, tail = rest.partition(END)
    if not mark or not end:
        raise ValueError(f"the page lacks its marks {begin(what, by)} and {END}")
    return f"{head}{mark}\n\n{part}\n\n{end}{tail}"
