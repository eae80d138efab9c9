"""Run a program in this process, and make it fail when a test orders it.

    python3 saboteur.py FILE | python3 saboteur.py -m MODULE

An order is a file in the folder `orders` next to this file's folder. Its name is the pod's name. The
folder is on the shared storage, so the worker sees an order at once. The program ignores orders.
"""

import os
import runpy
import sys
import threading
import time
from pathlib import Path

ORDERS = Path(__file__).resolve().parent.parent / "orders"
_CHUNK = 16 << 20


def main(arguments: list[str]) -> None:
    threading.Thread(target=_await_order, name="saboteur", daemon=True).start()
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")


def _await_order() -> None:
    file = ORDERS / os.uname().nodename
    while not file.exists():
        time.sleep(0.05)
    order = file.read_text()
    print(f"ordered: {order}", flush=True)
    if order == "exit":
        os._exit(1)
    if order == "memory":
        _run_out_of_memory()
    if order == "tear":
        _tear_the_next_file()


def _run_out_of_memory() -> None:
    """Write to the memory: the kernel counts memory only after the first access."""
    eaten = []
    while True:
        eaten.append(b"\x01" * _CHUNK)


def _tear_the_next_file() -> None:
    """Cut the next file in half and exit. PID 1 cannot kill itself, so it exits with 137."""

    def torn(path: Path, target: object) -> None:
        del target
        os.truncate(path, path.stat().st_size // 2)
        os._exit(137)

    Path.rename = torn  # type: ignore[assignment,method-assign]


if __name__ == "__main__":
    main(sys.argv[1:])
