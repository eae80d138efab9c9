"""`python -m stargate_lab …`: the lab's commands, as the Makefile calls them."""

import argparse
import os
import sys
from pathlib import Path

_MOST_NODES = 99_999
"""The largest job that the API accepts."""


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
    start.add_argument("--nodes", type=_node_count, default=50)
    start.add_argument("--no-gang-scheduling", action="store_true")
    start.set_defaults(run=_up)

    stop = commands.add_parser("down", help="end clusters: the named ones, or all of this clone")
    stop.add_argument("names", nargs="*", metavar="NAME")
    stop.set_defaults(run=_down)

    images = commands.add_parser("images", help="build the container images (needs Docker)")
    images.add_argument(
        "--stage", metavar="IMAGE", help="only stage the context of this one, and print where"
    )
    images.set_defaults(run=_images)

    kind = commands.add_parser("kind", help="the operator and a small job on kind (needs Docker)")
    kind.set_defaults(run=_kind)
    kind_down = commands.add_parser("kind-down", help="end that cluster")
    kind_down.set_defaults(run=_kind_down)

    _add_demo(commands.add_parser("demo", help="the article's job, on a simulated fleet"))
    _add_trainer(commands.add_parser("trainer", help="train every gang that runs, until killed"))
    return parser


def _node_count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_NODES:
        raise argparse.ArgumentTypeError(
            f"NODES must be a whole number from 1 to {_MOST_NODES}, not {text!r}"
        )
    return int(text)


def _add_demo(demo: argparse.ArgumentParser) -> None:
    demo.add_argument("--name", default="demo")
    demo.add_argument(
        "--nodes",
        type=_node_count,
        default=os.environ.get("NODES") or None,
        help="default: $NODES, or the article's 5000",
    )
    demo.add_argument("--epoch-seconds", type=float)
    demo.add_argument("--svg", type=Path, metavar="PATH", help="save a picture of the live view")
    demo.add_argument(
        "--gang-scheduling",
        action=argparse.BooleanOptionalAction,
        help="whether kube-scheduler keeps the gang whole; default: up to 500 nodes",
    )
    demo.set_defaults(run=_demo)


def _add_trainer(trainer: argparse.ArgumentParser) -> None:
    trainer.add_argument("--kubeconfig", type=Path, required=True, help="the administrator's")
    trainer.add_argument("--namespace", help="default: all")
    trainer.add_argument("--epoch-seconds", type=float, default=1.0)
    trainer.add_argument("--fault", action="append", default=[], metavar="epoch=E,rank=R,…")
    trainer.add_argument("--silent-after-epoch", type=int)
    trainer.add_argument("--only-rank-zero-reports", action="store_true")
    trainer.set_defaults(run=_trainer)


def _binaries(options: argparse.Namespace) -> int:
    from stargate_lab.toolchain.binaries import ensure
    from stargate_lab.toolchain.pinned_tools import CONTROL_PLANE

    for path in ensure(options.names or CONTROL_PLANE).values():
        print(path)
    return 0


def _images(options: argparse.Namespace) -> int:
    from stargate_lab.host import docker
    from stargate_lab.toolchain import images
    from stargate_lab.toolchain.binaries import say_on_stderr

    docker.require()
    if options.stage:
        print(images.stage(images.named(options.stage), say_on_stderr))
        return 0
    for image in images.IMAGES:
        images.build(image, say_on_stderr)
    return 0


def _up(options: argparse.Namespace) -> int:
    from stargate_lab.commands.up import up

    up(options.name, options.nodes, not options.no_gang_scheduling)
    return 0


def _down(options: argparse.Namespace) -> int:
    from stargate_lab.process.simulated_cluster import down, down_all

    for name in options.names:
        down(name)
    ended = options.names or down_all()
    print(f"ended: {', '.join(ended)}" if ended else "nothing was up")
    return 0


def _kind(options: argparse.Namespace) -> int:
    from stargate_lab.commands.kind_example import up

    del options
    up()
    return 0


def _kind_down(options: argparse.Namespace) -> int:
    from stargate_lab.commands.kind_example import down

    del options
    print(down())
    return 0


def _demo(options: argparse.Namespace) -> int:
    from stargate_lab.demo.play import Options, main

    return main(Options.of(options))


def _trainer(options: argparse.Namespace) -> int:
    import uvloop

    from stargate_lab.workload.trainer import train
    from stargate_lab.workload.training import Behaviour, Fault

    behaviour = Behaviour(
        epoch_seconds=options.epoch_seconds,
        faults=tuple(map(Fault.parse, options.fault)),
        silent_after_epoch=options.silent_after_epoch,
        only_rank_zero_reports=options.only_rank_zero_reports,
    )
    uvloop.run(train(options.kubeconfig, behaviour, options.namespace))
    return 0


if __name__ == "__main__":
    sys.exit(main())
