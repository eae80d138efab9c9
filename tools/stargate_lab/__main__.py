"""`python -m stargate_lab …`: the lab's commands, as the Makefile calls them."""

import argparse
import sys


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except KeyboardInterrupt:
        return 130
    except (RuntimeError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="stargate_lab", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    fetch = commands.add_parser("binaries", help="get the Kubernetes binaries, print their paths")
    fetch.add_argument("names", nargs="*", metavar="NAME")
    fetch.set_defaults(run=_binaries)

    start = commands.add_parser("up", help="start a small cluster with the operator")
    start.add_argument("--name", default="up")
    start.add_argument("--nodes", type=int, default=50)
    start.add_argument("--no-gang-scheduling", action="store_true")
    start.set_defaults(run=_up)

    stop = commands.add_parser("down", help="end clusters: the named ones, or all of this clone")
    stop.add_argument("names", nargs="*", metavar="NAME")
    stop.set_defaults(run=_down)

    demo = commands.add_parser(
        "demo", help="the article's job, on a simulated fleet", add_help=False
    )
    demo.add_argument("rest", nargs=argparse.REMAINDER)
    demo.set_defaults(run=_demo)
    return parser


def _binaries(options: argparse.Namespace) -> int:
    from stargate_lab.binaries import ensure
    from stargate_lab.catalogue import CONTROL_PLANE

    for path in ensure(options.names or CONTROL_PLANE).values():
        print(path)
    return 0


def _up(options: argparse.Namespace) -> int:
    from stargate_lab.up import up

    up(options.name, options.nodes, not options.no_gang_scheduling)
    return 0


def _down(options: argparse.Namespace) -> int:
    from stargate_lab.up import down, down_all

    for name in options.names:
        down(name)
    ended = options.names or down_all()
    print(f"ended: {', '.join(ended)}" if ended else "nothing was up")
    return 0


def _demo(options: argparse.Namespace) -> int:
    from importlib import import_module

    return int(import_module("stargate_lab.demo").main(options.rest))


if __name__ == "__main__":
    sys.exit(main())
