"""The steps that a call consists of, as data, and the two ways to perform them.

A call is a generator: it yields what it wants done (ask the server, wait, read on, hand a value to
the caller) and is sent the outcome. So each call is written once, does no I/O of its own, and is
driven by a thread that blocks (`Client`) or by an event loop that does not (`AsyncClient`). A
failed request is an outcome too, not an exception: the frames in which urllib3 fails hold the
headers, and with them the key, and must never be part of a traceback.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, TypeVar

T = TypeVar("T")
Json = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """`timeout` is that of connecting and of each read; a `streamed` answer is read in lines."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Json | None = None
    content: str = "application/json"
    timeout: float = 10.0
    streamed: bool = False


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    retry_after: float | None = None

    @property
    def succeeded(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True)
class Failure:
    """No answer. A `final` one would be the same at the next try: a certificate, a wrong name."""

    message: str
    timed_out: bool = False
    final: bool = False


class Stream(Protocol):
    """An answer that goes on. Reading blocks; closing does not, and ends a reading elsewhere."""

    def next_line(self) -> bytes | Failure | None: ...

    def close(self) -> None: ...


class Transport(Protocol):
    def send(self, request: Request) -> Answer | Failure | Stream: ...


@dataclass(frozen=True)
class Read:
    stream: Stream


@dataclass(frozen=True)
class Pause:
    seconds: float


@dataclass(frozen=True)
class Emit:
    """A value for the caller of a call that yields many."""

    value: Any


Step: TypeAlias = Request | Read | Pause | Emit
Call: TypeAlias = Generator[Step, Any, T]


def run_call(call: Call[T], transport: Transport) -> T:
    """Runs a call to its end, in this thread."""
    outcome: Any = None
    while True:
        try:
            step = call.send(outcome)
        except StopIteration as end:
            result: T = end.value
            return result
        outcome = _perform(step, transport)


def stream(call: Call[None], transport: Transport) -> Iterator[Any]:
    """What a call emits, as it comes."""
    outcome: Any = None
    try:
        while True:
            try:
                step = call.send(outcome)
            except StopIteration:
                return
            if isinstance(step, Emit):
                yield step.value
            outcome = _perform(step, transport)
    finally:
        call.close()


async def run_call_async(call: Call[T], transport: Transport, threads: Executor) -> T:
    """As `settle`; a cancelled call ends what it was reading."""
    outcome: Any = None
    try:
        while True:
            try:
                step = call.send(outcome)
            except StopIteration as end:
                result: T = end.value
                return result
            outcome = await _perform_async(step, transport, threads)
    finally:
        call.close()


async def stream_async(
    call: Call[None], transport: Transport, threads: Executor
) -> AsyncGenerator[Any, None]:
    """As `stream`."""
    outcome: Any = None
    try:
        while True:
            try:
                step = call.send(outcome)
            except StopIteration:
                return
            if isinstance(step, Emit):
                yield step.value
            outcome = await _perform_async(step, transport, threads)
    finally:
        call.close()


def _perform(step: Step, transport: Transport) -> Any:
    match step:
        case Pause(seconds):
            return time.sleep(seconds)
        case Emit():
            return None
        case _:
            return _blocking(step, transport)()


async def _perform_async(step: Step, transport: Transport, threads: Executor) -> Any:
    match step:
        case Pause(seconds):
            return await asyncio.sleep(seconds)
        case Emit():
            return None
        case _:
            work = _blocking(step, transport)
            return await asyncio.get_running_loop().run_in_executor(threads, work)


def _blocking(step: Request | Read, transport: Transport) -> Callable[[], Any]:
    if isinstance(step, Read):
        return step.stream.next_line
    return lambda: transport.send(step)
