"""The steps of a call as data, and the two ways to perform them: blocking and asynchronous.

A call is a generator. It yields steps (send a request, pause, read a line, emit a value to the caller)
and receives the outcome of each. So a call is written once and does no I/O of its own: `Client` runs
it in a thread that blocks, `AsyncClient` in an event loop that does not. A failed request is an
outcome too, not an exception: the frames in which urllib3 fails hold the headers, and with them the
key, and must never be part of a traceback.

See docs/decisions/0010-one-call-two-clients.md.
See docs/decisions/0024-a-failed-request-is-a-value.md.
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
    """One HTTP request to the API server.

    `timeout` is in seconds, for the connection and for each read. A `streamed` answer is read line
    by line; any other is read whole.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Json | None = None
    content: str = "application/json"
    timeout: float = 10.0
    streamed: bool = False


@dataclass(frozen=True)
class Answer:
    """A whole HTTP answer. `retry_after` is in seconds, None where the server did not say."""

    status: int
    body: bytes
    retry_after: float | None = None

    @property
    def succeeded(self) -> bool:
        """True if the status is 2xx."""
        return 200 <= self.status < 300


@dataclass(frozen=True)
class Failure:
    """A request without an answer. A `final` failure does not change with a retry: a certificate."""

    message: str
    timed_out: bool = False
    final: bool = False


class Stream(Protocol):
    """An answer that is read line by line."""

    def next_line(self) -> bytes | Failure | None:
        """Blocks until there is a line. None at the end of the stream."""
        ...

    def close(self) -> None:
        """Ends the stream without blocking; a thread that reads it gets its end."""
        ...


class Transport(Protocol):
    """Sends requests. A failure is a value, never an exception."""

    def send(self, request: Request) -> Answer | Failure | Stream:
        """Blocks until there is an answer, a failure, or the start of a stream."""
        ...


@dataclass(frozen=True)
class Read:
    """Reads the next line of a stream. The outcome is that of `Stream.next_line`."""

    stream: Stream


@dataclass(frozen=True)
class Pause:
    """Waits."""

    seconds: float


@dataclass(frozen=True)
class Emit:
    """Hands a value to the caller; for calls that return many."""

    value: Any


Step: TypeAlias = Request | Read | Pause | Emit
Call: TypeAlias = Generator[Step, Any, T]


def run_call(call: Call[T], transport: Transport) -> T:
    """Runs a call in this thread and returns its result. Raises what the call raises."""
    outcome: Any = None
    while True:
        try:
            step = call.send(outcome)
        except StopIteration as end:
            result: T = end.value
            return result
        outcome = _perform(step, transport)


def stream(call: Call[None], transport: Transport) -> Iterator[Any]:
    """Runs a call in this thread and yields each value that it emits."""
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
    """`run_call` for an event loop. When it is cancelled, the call closes the stream it reads."""
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
    """`stream` for an event loop."""
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
