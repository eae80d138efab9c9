"""The console scripts. A base install has them too; there they say which extra is missing."""

import sys
from collections.abc import Callable

_EXTRA = ("typer", "rich", "yaml")


def main() -> None:
    """Runs `kubectl-stargate`."""
    _need_extra(_commands)


def complete() -> None:
    """Runs `kubectl_complete-stargate`."""
    _need_extra(_completion)


def _need_extra(run: Callable[[], None]) -> None:
    try:
        run()
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        sys.exit("kubectl stargate needs the cli extra: pip install 'stargate-operator[cli]'")


def _commands() -> None:
    from stargate_api.cli.app import main

    main()


def _completion() -> None:
    from stargate_api.cli.complete import main

    main()


if __name__ == "__main__":
    main()
