"""Shows the demo's scenes: a live view on a terminal, plain lines anywhere else."""

import io
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.live import Live

from stargate_lab.demo.view import WIDTH, Scene, clock, line, render

LINE_SECONDS = 5.0
_LOOK_SECONDS = 0.2


class LiveShow:
    """Redrawn in place; the last scene stays on the screen."""

    def __init__(self, console: Console, scene: Callable[[], Scene]) -> None:
        self._live = Live(
            console=console, get_renderable=lambda: render(scene()), refresh_per_second=4
        )

    def __enter__(self) -> None:
        self._live.start(refresh=True)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()


class PlainShow:
    """Prints each event, and the state every few seconds: for pipes and CI."""

    def __init__(self, console: Console, scene: Callable[[], Scene]) -> None:
        self._console = console
        self._scene = scene
        self._told = 0
        self._next_line = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            self._tell(self._scene())
        self._tell(self._scene())

    def _tell(self, scene: Scene) -> None:
        for entry in scene.entries[self._told :]:
            self._console.print(f"{clock(entry.at - scene.began)}  · {entry.text}", markup=False)
        self._told = len(scene.entries)
        if time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + LINE_SECONDS
            self._console.print(line(scene), markup=False)


def show(console: Console, scene: Callable[[], Scene]) -> LiveShow | PlainShow:
    return LiveShow(console, scene) if console.is_terminal else PlainShow(console, scene)


def picture(scene: Scene, path: Path) -> None:
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(render(scene))
    console.save_svg(str(path), title="make demo")
