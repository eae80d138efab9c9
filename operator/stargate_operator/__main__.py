"""`stargate-operator run`, also as `python -m stargate_operator run`."""

import os
import sys

import uvloop
from pydantic import ValidationError
from pydantic_settings import CliApp

from stargate_operator.kube.config import ConfigError
from stargate_operator.runtime import logs
from stargate_operator.runtime.namespace_access import NoNamespaceAccessError
from stargate_operator.settings import Settings

USAGE = "usage: stargate-operator run [--help] [flags]"


def main() -> None:
    command, *flags = sys.argv[1:] or ["--help"]
    if command in ("-h", "--help"):
        print(f"{USAGE}\n\nRuns one replica of the operator; `run --help` lists its settings.")
        return
    if command != "run":
        sys.exit(f"unknown command {command!r}\n{USAGE}")
    sys.exit(_run(flags))


def _run(flags: list[str]) -> int | str:
    try:
        settings = CliApp.run(Settings, cli_args=flags)
    except ValidationError as error:
        return _explained(error)
    logs.set_up(form=settings.log_format, level=settings.log_level)
    return _run_replica(settings)


def _run_replica(settings: Settings) -> int | str:
    if settings.kubeconfig is not None:
        os.environ["KUBECONFIG"] = str(settings.kubeconfig)  # kopf reads its login from it
    from stargate_operator.runtime.run import run  # --help needs no kopf, which is slow to import

    try:
        return uvloop.run(run(settings))
    except (ConfigError, NoNamespaceAccessError, FileNotFoundError) as error:
        return f"stargate-operator: {error}"


def _explained(error: ValidationError) -> str:
    lines = [
        f"  {'.'.join(map(str, problem['loc'])) or 'settings'}: {problem['msg']}"
        for problem in error.errors()
    ]
    return "stargate-operator: bad settings\n" + "\n".join(lines)


if __name__ == "__main__":
    main()
