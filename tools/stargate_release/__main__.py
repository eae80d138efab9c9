"""`python -m stargate_release …`: the commands of the Makefile and of the release workflow."""

import argparse
import sys

from stargate_release import changelog, version
from stargate_release.version import REPO, ReleaseError


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except ReleaseError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="stargate_release", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    show = commands.add_parser("version", help="print the version")
    show.set_defaults(run=lambda _: print(version.current()))
    write = commands.add_parser("write", help="write the version wherever it is repeated")
    write.set_defaults(run=lambda _: version.write())
    notes = commands.add_parser("notes", help="print the notes of this version")
    notes.set_defaults(run=lambda _: print(_notes(), end=""))
    check = commands.add_parser("check", help="whether this tree may be released under a tag")
    check.add_argument("tag")
    check.set_defaults(run=lambda options: _check(options.tag))
    return parser


def _notes() -> str:
    return changelog.notes((REPO / "CHANGELOG.md").read_text(), version.current())


def _check(tag: str) -> None:
    """Checks the tree before a release publishes anything: a publication cannot be undone."""
    current = version.current()
    if tag != f"v{current}":
        raise ReleaseError(f"the tag is {tag!r}, and pyproject.toml says {current}: tag v{current}")
    late = [*version.lagging()]
    if late:
        raise ReleaseError("\n".join([*late, "run `make manifests` and commit what it writes"]))
    _notes()


if __name__ == "__main__":
    sys.exit(main())
