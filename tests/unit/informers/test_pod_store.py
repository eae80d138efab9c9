"""The store of pods, with events in any order."""

from __future__ import annotations

from typing import Any

import msgspec

from stargate_operator.informers.pod_store import PodStore
from stargate_operator.informers.pod_wire import WirePod, pod_of
from stargate_operator.kube.meta import ObjectMeta
from stargate_operator.model.pod import Pod

DECODER = msgspec.json.Decoder(WirePod)


def wire(status: dict[str, Any] | None = None, **metadata: Any) -> Pod:
    labels = {
        "stargate.dev/job-uid": "job-1",
        "stargate.dev/job-name": "train",
        "stargate.dev/attempt": "2",
        "stargate.dev/rank": "17",
    }
    body = {
        "metadata": {
            "name": "train-2-17",
            "namespace": "ml",
            "uid": "pod-17",
            "resourceVersion": "1000",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": labels,
            "ownerReferences": [
                {"kind": "X", "name": "x", "uid": "other"},
                {"kind": "StargateJob", "name": "train", "uid": "job-1", "controller": True},
            ],
            **metadata,
        },
        "spec": {"nodeName": "n1", "serviceAccountName": "default", "containers": [{"name": "a"}]},
        "status": status or {"phase": "Pending"},
    }
    return pod_of(DECODER.decode(msgspec.json.encode(body)))


def running(name: str, **state: Any) -> dict[str, Any]:
    return {"name": name, "state": state, "ready": False, "restartCount": 0}


def pod(name: str = "a", uid: str = "", version: int = 1, **more: Any) -> Pod:
    given: dict[str, Any] = {
        "namespace": "ml",
        "job_uid": "job",
        "job_name": "train",
        "attempt": 1,
        "rank": 0,
        "owner_uid": "job",
        "created": 0.0,
    }
    return Pod(name=name, uid=uid or f"uid-{name}", resource_version=version, **{**given, **more})


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Watched(PodStore):
    def __init__(self) -> None:
        self.told: list[tuple[str, str | None, str | None]] = []
        self.clock = Clock()
        super().__init__(self._tell, self.clock)

    def _tell(self, job_uid: str, old: Pod | None, new: Pod | None) -> None:
        self.told.append((job_uid, old.uid if old else None, new.uid if new else None))


def test_pod_has_all_fields_that_decisions_need() -> None:
    read = wire()
    assert (read.job_uid, read.job_name, read.attempt, read.rank) == ("job-1", "train", 2, 17)
    assert (read.owner_uid, read.node, read.resource_version) == ("job-1", "n1", 1000)
    assert read.created == 1767225600.0
    assert read.service_account == "default"
    assert not read.terminal


def test_end_of_worker_counts_despite_sidecar() -> None:
    end = {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-01-01T00:01:00Z"}
    read = wire(
        {
            "phase": "Failed",
            "containerStatuses": [
                running("istio", terminated={"exitCode": 0}),
                running("worker", terminated=end),
            ],
        }
    )
    assert read.terminated is not None
    assert (read.terminated.exit_code, read.terminated.reason) == (137, "OOMKilled")
    assert read.terminated.finished_at == 1767225660.0
    assert read.terminal


def test_conditions_become_fields_of_the_pod() -> None:
    at = "2026-01-01T00:00:10Z"
    read = wire(
        {
            "phase": "Running",
            "conditions": [
                {"type": "PodScheduled", "status": "True", "lastTransitionTime": at},
                {"type": "Ready", "status": "True", "lastTransitionTime": at},
                {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"},
            ],
            "containerStatuses": [running("worker", running={"startedAt": at})],
        }
    )
    assert read.scheduled_at == read.started_at == 1767225610.0
    assert (read.ready, read.disruption) == (True, "EvictionByEvictionAPI")
    unscheduled = wire(
        {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes"}]}
    )
    assert (unscheduled.scheduled_at, unscheduled.unschedulable_message) == (None, "0/3 nodes")


def test_only_a_faulty_waiting_reason_is_kept() -> None:
    pulling = wire(
        {"containerStatuses": [running("worker", waiting={"reason": "PodInitializing"})]}
    )
    assert pulling.waiting_reason == ""
    stuck = wire(
        {
            "initContainerStatuses": [running("fetch", waiting={"reason": "ErrImagePull"})],
            "containerStatuses": [running("worker", waiting={"reason": "PodInitializing"})],
        }
    )
    assert stuck.waiting_reason == "ErrImagePull"


def test_label_without_a_number_is_no_rank() -> None:
    read = wire(labels={"stargate.dev/job-uid": "j", "stargate.dev/rank": "x" * 40})
    assert (read.rank, read.attempt) == (-1, -1)


def test_versions_never_go_back() -> None:
    store = Watched()
    store.put(pod("a", version=5, phase="Running"))
    store.put(pod("a", version=4))
    known = store.by_uid("uid-a")
    assert known is not None
    assert known.phase == "Running"
    assert len(store.told) == 1


def test_seed_does_not_revive_a_deleted_pod() -> None:
    store = Watched()
    store.remove("uid-a")
    store.put(pod("a"))
    assert store.by_uid("uid-a") is None
    assert store.of_job("job") == {}
    assert store.told == []


def meta(version: int) -> ObjectMeta:
    labels = {"stargate.dev/job-uid": "job", "stargate.dev/rank": "0"}
    return ObjectMeta(
        name="a", namespace="ml", uid="uid-a", resource_version=str(version), labels=labels
    )


def test_whole_object_replaces_seed_of_its_version() -> None:
    store = Watched()
    store.seed(meta(version=7))
    store.put(pod("a", version=7, node="n1", phase="Running"))
    known = store.by_uid("uid-a")
    assert known is not None
    assert (known.node, known.phase) == ("n1", "Running")


def test_older_object_does_not_replace_a_seed() -> None:
    store = Watched()
    store.seed(meta(version=7))
    store.put(pod("a", version=6, phase="Running"))
    known = store.by_uid("uid-a")
    assert known is not None
    assert (known.resource_version, known.phase) == (7, "Pending")


def test_newer_seed_does_not_replace_whole_object() -> None:
    store = Watched()
    store.put(pod("a", version=5, node="n1"))
    store.seed(meta(version=7))
    store.put(pod("a", version=7, node="n1", phase="Running"))
    known = store.by_uid("uid-a")
    assert known is not None
    assert (known.node, known.phase) == ("n1", "Running")


def test_seed_of_a_deleted_pod_is_dropped() -> None:
    store = Watched()
    store.remove("uid-a")
    store.seed(meta(version=7))
    assert store.by_uid("uid-a") is None


def test_deleted_pods_are_forgotten_after_minutes() -> None:
    store = Watched()
    for n in range(100):
        store.remove(f"old-{n}")
    store.clock.now += 1000
    store.remove("new")
    assert store._gone == {"new"}


def test_new_pod_of_same_name_removes_old_one() -> None:
    store = Watched()
    store.put(pod("a", "old", 1))
    store.put(pod("a", "new", 9))
    store.remove("old")  # the watch tells late
    store.put(pod("a", "old", 2))
    assert [p.uid for p in store.of_job("job").values()] == ["new"]
    assert store.told == [("job", None, "old"), ("job", "old", None), ("job", None, "new")]


def test_deleted_pod_stays_deleting_after_an_older_event() -> None:
    store = Watched()
    store.put(pod("a", version=1))
    store.mark_deleting("uid-a")
    store.put(pod("a", version=2, phase="Running"))
    known = store.by_uid("uid-a")
    assert known is not None
    assert (known.deleting, known.phase) == (True, "Running")
    store.mark_deleting("uid-a")
    store.mark_deleting("nobody")
    assert len(store.told) == 3
    store.remove("uid-a")
    assert store.job_uids() == frozenset()


def test_shortened_grace_is_unknown_until_the_watch_tells() -> None:
    store = Watched()
    store.put(pod("a", version=1, deleting=True, deletion_at=3600.0))
    store.mark_deleting("uid-a")
    known = store.by_uid("uid-a")
    assert known is not None
    assert (known.deleting, known.deletion_at) == (True, None)
    store.put(pod("a", version=2, deleting=True, deletion_at=2.0))
    again = store.by_uid("uid-a")
    assert again is not None
    assert again.deletion_at == 2.0


def test_pod_missing_in_list_is_gone_unless_newer() -> None:
    store = Watched()
    for name, version in (("listed", 5), ("vanished", 6), ("just-created", 11)):
        store.put(pod(name, version=version))
    store.keep_only({"uid-listed"}, 10)
    assert {p.name for p in store.of_job("job").values()} == {"listed", "just-created"}


def test_relabelled_pod_leaves_its_old_job() -> None:
    store = Watched()
    store.put(pod("a", version=1))
    store.put(pod("a", version=2, job_uid="other"))
    assert store.job_uids() == {"other"}
    assert store.told[1:] == [("job", "uid-a", None), ("other", None, "uid-a")]


def test_same_name_in_another_namespace_removes_no_pod() -> None:
    """Labels are anybody's to write, in any namespace."""
    store = Watched()
    store.put(pod("a", "genuine", 1))
    store.put(pod("a", "forged", 9, namespace="elsewhere"))
    assert {p.uid for p in store.of_job("job").values()} == {"genuine", "forged"}
    store.put(pod("a", "genuine", 10, phase="Running"))
    known = store.by_uid("genuine")
    assert known is not None
    assert known.phase == "Running"
