"""Applies the defaults from a folder while this process leads.

The folder may change at any time (a mounted ConfigMap is replaced as a whole). A default that cannot be
read, or that the API server refuses, does not stop the others: it is logged once and tried again. An
object that is as its default says is read once and never written.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import structlog

from stargate_operator.defaults.manifest import BadDefaultError, Default, read
from stargate_operator.defaults.ownership import Live, judge
from stargate_operator.kube.client import APPLY_PATCH, Client
from stargate_operator.kube.errors import ApiError
from stargate_operator.telemetry import metrics

log = structlog.get_logger(__name__)

MANAGER = "stargate-defaults"
LOOK_SECONDS = 10.0
AGAIN_SECONDS = 30.0

State = Literal["standing", "left_alone", "failed"]


@dataclass(frozen=True)
class Outcome:
    """The result for one file. `what` is the object, or the file if no default can be read from it."""

    what: str
    state: State
    why: str = ""


class DefaultsApplier:
    """Applies the manifests of a folder to the cluster, and again when the folder changes.

    Only the leader runs it. `clock` is monotonic, in seconds.
    """

    def __init__(
        self, client: Client, directory: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._directory = directory
        self._clock = clock
        self._files: Mapping[str, bytes] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._again_at = float("-inf")

    async def run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Applies all defaults if any file has changed, and from time to time those that failed."""
        try:
            files = files_in(self._directory)
        except OSError as error:
            return self._note({"": Outcome(str(self._directory), "failed", str(error))})
        if files != self._files:
            self._note(await self._apply_all(files, {}))
        elif self._failed and self._clock() >= self._again_at:
            failed = self._failed
            settled = {name: known for name, known in self._outcomes.items() if name not in failed}
            self._note(await self._apply_all(files, settled))
        self._files = files
        return None

    @property
    def _failed(self) -> set[str]:
        return {name for name, outcome in self._outcomes.items() if outcome.state == "failed"}

    async def _apply_all(
        self, files: Mapping[str, bytes], settled: dict[str, Outcome]
    ) -> dict[str, Outcome]:
        outcomes = dict(settled)
        for name, raw in files.items():
            if name not in settled:
                outcomes[name] = await self._apply_file(name, raw, outcomes)
        return outcomes

    async def _apply_file(self, name: str, raw: bytes, others: Mapping[str, Outcome]) -> Outcome:
        try:
            default = read(raw)
        except BadDefaultError as error:
            return Outcome(name, "failed", str(error))
        twice = next((file for file, other in others.items() if other.what == str(default)), None)
        if twice is not None:
            return Outcome(name, "failed", f"{twice} states {default} too")
        try:
            return await self._settle(default)
        except ApiError as error:
            return Outcome(str(default), "failed", str(error))

    async def _settle(self, default: Default) -> Outcome:
        live = await self._live(default)
        ownership = judge(default, live)
        if ownership.verdict != "apply":
            return Outcome(str(default), ownership.verdict, ownership.why)
        try:
            await self._apply(default, live)
        except ApiError as error:
            if not _holds_a_field(error):
                raise
            return Outcome(str(default), "left_alone", error.message)
        log.info("default applied", default=str(default), why=ownership.why)
        return Outcome(str(default), "standing")

    async def _live(self, default: Default) -> Live | None:
        try:
            return await self._client.get(default.path, Live)
        except ApiError as error:
            if error.not_found:
                return None
            raise

    async def _apply(self, default: Default, live: Live | None) -> None:
        """Applies without force, and only over the version that was judged."""
        body = default.body(live.metadata.resource_version if live else "")
        target = f"{default.path}?fieldManager={MANAGER}&fieldValidation=Strict"
        await self._client.patch(target, body, APPLY_PATCH)

    def _note(self, outcomes: dict[str, Outcome]) -> None:
        known = set(self._outcomes.values())
        for outcome in outcomes.values():
            if outcome not in known:
                _log_problem(outcome)
        self._outcomes = outcomes
        self._again_at = self._clock() + AGAIN_SECONDS
        counts = Counter(outcome.state for outcome in outcomes.values())
        metrics.defaults_by_state({state: counts[state] for state in get_args(State)})


def files_in(directory: Path) -> dict[str, bytes]:
    """The YAML files by name. Hidden entries belong to the mounted volume: its new and its old data."""
    return {
        path.name: path.read_bytes()
        for path in sorted(directory.iterdir())
        if path.suffix in (".yaml", ".yml") and not path.name.startswith(".") and path.is_file()
    }


def _holds_a_field(error: ApiError) -> bool:
    """True if another field manager holds a field of the default and has set it to another value."""
    return error.conflict and any(cause.reason == "FieldManagerConflict" for cause in error.causes)


def _log_problem(outcome: Outcome) -> None:
    if outcome.state == "failed":
        log.error("default not applied", default=outcome.what, why=outcome.why)
    elif outcome.state == "left_alone":
        log.warning("default left alone", default=outcome.what, why=outcome.why)
