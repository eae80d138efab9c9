"""Applies the defaults and keeps to what they say, while this process leads.

It runs from a folder that may change under it (a mounted ConfigMap is swapped as a whole). A default
that cannot be read or that the API server refuses stops no other: it is told once and tried again.
What stands as it should is asked for once, and never written.
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
    """What became of one file's default; `what` is the object, or the file that states none."""

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
        """At all of them where any file has changed, and now and then at those that failed."""
        try:
            files = files_in(self._directory)
        except OSError as error:
            return self._note({"": Outcome(str(self._directory), "failed", str(error))})
        if files != self._files:
            self._note(await self._bring(files, {}))
        elif self._failed and self._clock() >= self._again_at:
            settled = {k: each for k, each in self._outcomes.items() if k not in self._failed}
            self._note(await self._bring(files, settled))
        self._files = files
        return None

    @property
    def _failed(self) -> set[str]:
        return {name for name, each in self._outcomes.items() if each.state == "failed"}

    async def _bring(
        self, files: Mapping[str, bytes], settled: dict[str, Outcome]
    ) -> dict[str, Outcome]:
        outcomes = dict(settled)
        for name, raw in files.items():
            if name not in settled:
                outcomes[name] = await self._bring_one(name, raw, outcomes)
        return outcomes

    async def _bring_one(self, name: str, raw: bytes, others: Mapping[str, Outcome]) -> Outcome:
        try:
            default = read(raw)
        except BadDefaultError as error:
            return Outcome(name, "failed", str(error))
        twice = next((file for file, each in others.items() if each.what == str(default)), None)
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
        """Fenced by the version that was judged, and never by force."""
        body = default.body(live.metadata.resource_version if live else "")
        target = f"{default.path}?fieldManager={MANAGER}&fieldValidation=Strict"
        await self._client.patch(target, body, APPLY_PATCH)

    def _note(self, outcomes: dict[str, Outcome]) -> None:
        known = set(self._outcomes.values())
        for each in outcomes.values():
            if each not in known:
                _tell(each)
        self._outcomes = outcomes
        self._again_at = self._clock() + AGAIN_SECONDS
        counts = Counter(each.state for each in outcomes.values())
        metrics.defaults_stand({state: counts[state] for state in get_args(State)})


def files_in(directory: Path) -> dict[str, bytes]:
    """What is hidden is a mounted volume's own: the data of this moment and of the one before."""
    return {
        path.name: path.read_bytes()
        for path in sorted(directory.iterdir())
        if path.suffix in (".yaml", ".yml") and not path.name.startswith(".") and path.is_file()
    }


def _holds_a_field(error: ApiError) -> bool:
    """Somebody does, and has set it otherwise."""
    return error.conflict and any(each.reason == "FieldManagerConflict" for each in error.causes)


def _tell(outcome: Outcome) -> None:
    if outcome.state == "failed":
        log.error("default not applied", default=outcome.what, why=outcome.why)
    elif outcome.state == "left_alone":
        log.warning("default left alone", default=outcome.what, why=outcome.why)
