"""Tells the owner of a job that this operator cannot read why it does nothing for it.

That is a job which an older schema has let in, or one with words of a newer version after a rollback.
Its pods stay as they are.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from stargate_operator.constants import Conditions, Reasons
from stargate_operator.informers.unreadable import Unreadable
from stargate_operator.reconcile.event_recorder import EventRecorder
from stargate_operator.reconcile.status_writer import StatusWriter
from stargate_operator.status.events import JobEvent
from stargate_types.base import ObjectMeta
from stargate_types.status import Phase

Json = dict[str, Any]


class UnreadableJob:
    """Writes the condition once for each problem, and leaves the rest of the status as it is."""

    def __init__(
        self, writer: StatusWriter, recorder: EventRecorder, clock: Callable[[], datetime]
    ) -> None:
        self._writer = writer
        self._recorder = recorder
        self._clock = clock

    async def tell(self, found: Unreadable) -> None:
        message = f"this operator cannot read the job: {found.problem}"
        before = found.body.get("status")
        status: Json = dict(before) if isinstance(before, Mapping) else {}
        conditions = [each for each in status.get("conditions") or () if isinstance(each, Mapping)]
        if any(each.get("message") == message for each in conditions):
            return
        others = [each for each in conditions if each.get("type") != Conditions.ACCEPTED]
        status["conditions"] = [*others, self._condition(found, message)]
        status.setdefault("phase", Phase.PENDING)
        if await self._writer.write_raw(found.body, status):
            job = ObjectMeta.model_validate(found.body["metadata"])
            self._recorder.tell(job, JobEvent("Warning", Reasons.UNREADABLE, message))

    def _condition(self, found: Unreadable, message: str) -> Json:
        return {
            "type": Conditions.ACCEPTED,
            "status": "False",
            "reason": Reasons.UNREADABLE,
            "message": message,
            "observedGeneration": found.body["metadata"].get("generation", 0),
            "lastTransitionTime": self._clock().strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
