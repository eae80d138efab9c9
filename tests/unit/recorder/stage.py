"""Made-up histories, a write a line: `stage.job(phase="Running")`, `stage.pod(rank=1)`."""

import copy
from collections.abc import Mapping
from typing import Any

from tests.kit.recorder.history import Gap, History, Interruption, Json, Request, Verb, Write

JOB = "job-uid"


class Stage:
    """Each write comes `seconds` after the one before."""

    def __init__(self) -> None:
        self.history = History()
        self.now = 1000.0
        self._version = 0
        self._objects: dict[str, Json] = {}

    def wait(self, seconds: float) -> "Stage":
        self.now += seconds
        self.history.until = self.now
        return self

    def interrupted(self, seconds: float) -> "Stage":
        self.history.interruptions.append(Interruption(self.now, self.now + seconds))
        return self.wait(seconds)

    def gap(self) -> "Stage":
        self.history.gaps.append(Gap("Pod", self.now, "410"))
        return self

    def job(self, *, nodes: int = 2, spec: Json | None = None, **status: Any) -> "Stage":
        """The job as it is from now on; `status` changes what it was."""
        body = self._object("StargateJob", JOB, "job")
        body.setdefault("spec", {"resourceAllocation": {"nodes": nodes}, **(spec or {})})
        body["status"] = {**body.get("status", {}), **status}
        return self._write("StargateJob", body)

    def told(
        self, counts: Mapping[str, int], *, attempt: int = 1, phase: str = "Running"
    ) -> "Stage":
        """A status that says these counts of its workers."""
        attempts = [{"number": n, "worldSize": 2, "cause": "Exit"} for n in range(1, attempt + 1)]
        return self.job(
            phase=phase,
            attempt=attempt,
            attempts=attempts,
            restarts=attempt - 1,
            workers={"desired": 2, **counts},
        )

    def pod(
        self, rank: int = 0, attempt: int = 1, phase: str = "Pending", node: str = "", **more: Any
    ) -> "Stage":
        name = f"job-{attempt}-{rank}{more.get('suffix', '')}"
        body = self._object("Pod", name, name)
        body["metadata"] |= {
            "labels": {"stargate.dev/attempt": str(attempt), "stargate.dev/rank": str(rank)},
            "ownerReferences": [
                {"kind": "StargateJob", "uid": more.get("owner", JOB), "controller": True}
            ],
        }
        env = [{"name": key, "value": value} for key, value in more.get("env", {}).items()]
        body["spec"] = {"nodeName": node, "containers": [{"env": env}]}
        ready = "True" if phase == "Running" else "False"
        body["status"] = {"phase": phase, "conditions": [{"type": "Ready", "status": ready}]}
        return self._write("Pod", body)

    def running(self, *ranks: int, attempt: int = 1) -> "Stage":
        for rank in ranks:
            self.pod(rank, attempt, "Running", "node")
        return self

    def event(self, message: str) -> "Stage":
        body = self._object("Event", f"event-{self._version}", "event")
        body |= {"message": message, "reason": "Told", "involvedObject": {"uid": JOB}}
        return self._write("Event", body)

    def gone(self, uid: str = JOB) -> "Stage":
        body = self._objects.pop(uid)
        return self._write("Pod" if uid != JOB else "StargateJob", body, "DELETED")

    def asked(
        self,
        agent: str,
        resource: str,
        *,
        verb: str = "update",
        namespace: str = "test-a",
        code: int = 200,
        name: str = "job",
        grace: int | None = None,
    ) -> "Stage":
        self.wait(1)
        request = Request(
            agent, verb, resource, namespace, name, code, self.now, self.now + 0.1, grace
        )
        self.history.requests.append(request)
        return self

    def _object(self, kind: str, uid: str, name: str) -> Json:
        fresh = {"kind": kind, "metadata": {"uid": uid, "name": name, "namespace": "test-a"}}
        return copy.deepcopy(self._objects.get(uid, fresh))

    def _write(self, kind: str, body: Json, verb: Verb | None = None) -> "Stage":
        uid = body["metadata"]["uid"]
        self.wait(0.1)
        self._version += 1
        body["metadata"]["resourceVersion"] = str(self._version)
        known: Verb = "MODIFIED" if uid in self._objects else "ADDED"
        if verb != "DELETED":
            self._objects[uid] = body
        self.history.add(Write(verb or known, kind, self._version, self.now, copy.deepcopy(body)))
        return self
