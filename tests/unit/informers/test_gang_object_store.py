"""Services and PodGroups are kept by their metadata."""

from datetime import UTC, datetime
from typing import Any

from stargate_operator.informers.gang_object_informer import GangObjectStore, gang_object_of
from stargate_operator.kube.meta import ObjectMeta, OwnerReference
from stargate_operator.model.gang_object import GangObject

Change = tuple[str, GangObject | None, GangObject | None]


def service(**changes: Any) -> ObjectMeta:
    given: dict[str, Any] = {
        "name": "train",
        "namespace": "ml",
        "uid": "service-1",
        "resource_version": "7",
        "labels": {"stargate.dev/job-uid": "job-1"},
        "owner_references": [OwnerReference(uid="job-1", controller=True)],
    }
    return ObjectMeta(**(given | changes))


def test_metadata_becomes_a_gang_object() -> None:
    assert gang_object_of(service()) == GangObject(
        name="train",
        namespace="ml",
        uid="service-1",
        resource_version=7,
        job_uid="job-1",
        owner_uid="job-1",
    )


def test_object_with_deletion_timestamp_is_deleting() -> None:
    assert gang_object_of(service(deletion_timestamp=datetime.now(UTC))).deleting


def test_object_without_labels_belongs_to_no_job() -> None:
    found = gang_object_of(service(labels=None, owner_references=None))
    assert (found.job_uid, found.owner_uid) == ("", "")


def test_seeded_object_is_kept_until_removed() -> None:
    changes: list[Change] = []
    store = GangObjectStore(lambda *change: changes.append(change))
    store.seed(service())
    kept = gang_object_of(service())
    assert store.of_job("job-1") == {("ml", "train"): kept}
    store.remove("service-1")
    store.seed(service())  # the answer to a create that came late
    assert not store.of_job("job-1")
    assert changes == [("job-1", None, kept), ("job-1", kept, None)]
