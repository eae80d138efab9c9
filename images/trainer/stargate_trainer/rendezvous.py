"""How the ranks of one attempt find each other, within a time limit.

Rank 0's name comes from a headless Service and may resolve late; pods start seconds apart. So the wait
is here, in Python, where SIGTERM is handled and a message can name what is missing. Torch does neither.
"""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import torch.distributed

from stargate_trainer.exits import Exit, TrainerError

_NAMED_AT_MOST = 10
_PAUSE = 0.2


@dataclass(frozen=True)
class Rendezvous:
    """`stopping` says whether this rank was told to stop meanwhile."""

    rank: int
    world_size: int
    address: str
    port: int
    seconds: float
    stopping: Callable[[], bool]

    def meet(self, collective_seconds: float) -> None:
        """Makes the default process group; returns when every rank has joined it."""
        deadline = time.monotonic() + self.seconds
        if self.rank != 0:
            self._until(deadline, self._reachable, self._unreachable)
        try:
            self._join(deadline, collective_seconds)
        except RuntimeError as error:
            self._need_to_go_on()  # when all are told to stop, rank 0 may exit first
            raise TrainerError(
                Exit.NO_RENDEZVOUS, f"{self._rank_0} is gone before all had met: {error}"
            ) from error

    def _join(self, deadline: float, collective_seconds: float) -> None:
        store = self._store(deadline)
        store.add(_mark(self.rank), 1)
        store.add("joined", 1)
        self._until(
            deadline,
            lambda: store.add("joined", 0) >= self.world_size,
            lambda: self._incomplete(store),
        )
        torch.distributed.init_process_group(
            "gloo",
            store=store,
            rank=self.rank,
            world_size=self.world_size,
            timeout=timedelta(seconds=collective_seconds),
        )

    def _store(self, deadline: float) -> torch.distributed.TCPStore:
        """The store; rank 0 serves it, and needs no name for itself."""
        make = partial(
            torch.distributed.TCPStore,
            "localhost" if self.rank == 0 else self.address,
            self.port,
            self.world_size,
            self.rank == 0,
            timeout=timedelta(seconds=max(1.0, deadline - time.monotonic())),
            wait_for_workers=False,
        )
        try:
            return make()
        except RuntimeError as error:
            if "without libuv" not in str(error):
                raise
            return make(use_libuv=False)  # Debian's torch 2 requests what it was not built with

    def _reachable(self) -> bool:
        try:
            socket.create_connection((self.address, self.port), timeout=5).close()
        except OSError:
            return False
        return True

    def _unreachable(self) -> str:
        try:
            socket.create_connection((self.address, self.port), timeout=5).close()
        except OSError as error:
            return f"{self._rank_0} was not reachable: {error}"
        return f"{self._rank_0} was reachable too late"

    @property
    def _rank_0(self) -> str:
        return f"rank 0 at {self.address}:{self.port}"

    def _incomplete(self, store: torch.distributed.TCPStore) -> str:
        missing = [rank for rank in range(self.world_size) if not store.add(_mark(rank), 0)]
        named = ", ".join(map(str, missing[:_NAMED_AT_MOST]))
        more = f" and {len(missing) - _NAMED_AT_MOST} more" if missing[_NAMED_AT_MOST:] else ""
        return f"of {self.world_size} ranks these did not join: {named}{more}"

    def _until(
        self, deadline: float, done: Callable[[], bool], otherwise: Callable[[], str]
    ) -> None:
        while not done():
            self._need_to_go_on()
            if time.monotonic() > deadline:
                raise TrainerError(Exit.NO_RENDEZVOUS, f"within {self.seconds:g} s {otherwise()}")
            time.sleep(_PAUSE)

    def _need_to_go_on(self) -> None:
        if self.stopping():
            raise TrainerError(Exit.STOPPED, "told to stop before the gang had met")


def _mark(rank: int) -> str:
    return f"joined/{rank}"
