"""Puts the results into the README's own section, and touches no other line of it."""

from stargate_lab.host.paths import REPO

FILE = REPO / "bench" / "README.md"
BEGIN = "<!-- results: `make bench ARGS=--write` writes from here -->"
END = "<!-- to here -->"


def with_results(readme: str, results: str) -> str:
    head, begin, rest = readme.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the README lacks its marks {BEGIN} and {END}")
    return f"{head}{begin}\n\n{results.strip()}\n\n{end}{tail}"


def write(results: str) -> None:
    FILE.write_text(with_results(FILE.read_text(), results))
