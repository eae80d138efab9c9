"""The console scripts. They are installed without the extra too, and say then what is missing."""

import sys
from collections.abc import Callable

_EXTRA = ("typer", "rich", "yaml")


def main() -> None:
    """`kubectl-stargate`."""
    _with_the_extra(_commands)


def complete() -> None:
    """`kubectl_complete-stargate`."""
    _with_the_extra(_completion)


def _with_the_extra(run: Callable[[], None]) -> None:
    try:
        run()
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        sys.exit(
            "kubectl stargate needs more than the client: pip install 'stargate-operator[cli]'"
        )


def _commands() -> None:
    from stargate_api.cli.app import main

    main()


def _completion() -> None:
    from stargate_api.cli.complete import main

    main()


if __name__ == "__main__":
    main()
