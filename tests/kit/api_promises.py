"""Promises of Kubernetes to its clients, as tests for a real API server and for the one in memory.

A test module inherits from `Promises` and provides the fixtures `server` and `namespace`. Before you add
behaviour to the server in memory, add its test here.
"""

from __future__ import annotations

import copy
from typing import Any, Protocol

Json = dict[str, Any]

MERGE_PATCH = "application/merge-patch+json"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
GROUP = "/apis/stargate.dev/v1alpha1"

JOB: Json = {
    "apiVersion": "stargate.dev/v1alpha1",
    "kind": "StargateJob",
    "metadata": {"name": "job"},
    "spec": {
        "modelName": "materia",
        "datasetPath": "stargate_storage://datasets/materia",
        "epochs": 100,
        "acceleratorType": "stargate_silicon_v2",
        "resourceAllocation": {"nodes": 2, "gpuEquivalentsPerNode": 8, "memoryGbPerNode": 256},
        "optimizationStrategy": "distributed_adam_optimized",
        "checkpointIntervalEpochs": 5,
    },
}


class Server(Protocol):
    def ask(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        content: str = "application/json",
        accept: str = "application/json",
    ) -> tuple[int, Json]:
        """The status and the body of the answer."""

    def events(self, path: str) -> list[Json]:
        """All events of a watch that the server ends after `timeoutSeconds`."""


def pod(name: str, node: str = "", **labels: str) -> Json:
    spec: Json = {
        "containers": [{"name": "worker", "image": "trainer:1"}],
        "terminationGracePeriodSeconds": 7,
    }
    if node:
        spec["nodeName"] = node
    meta = {"name": name, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def lease(name: str) -> Json:
    kind = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
    return {**kind, "metadata": {"name": name}, "spec": {}}


def version(found: Json) -> str:
    return str(found["metadata"]["resourceVersion"])


def named(events: list[Json]) -> list[tuple[str, str]]:
    """The type and object name of each event, without bookmarks."""
    changes = [each for each in events if each["type"] != "BOOKMARK"]
    return [(each["type"], each["object"]["metadata"]["name"]) for each in changes]


class Promises:
    """Each test is one promise."""

    def jobs(self, namespace: str) -> str:
        return f"{GROUP}/namespaces/{namespace}/stargatejobs"

    def pods(self, namespace: str) -> str:
        return f"/api/v1/namespaces/{namespace}/pods"

    def leases(self, namespace: str) -> str:
        """A kind that no other client writes in these namespaces."""
        return f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"

    def made(self, server: Server, path: str, body: Json) -> Json:
        code, found = server.ask("POST", path, copy.deepcopy(body))
        assert code == 201, found
        return found

    def test_created_object_has_uid_version_and_generation(
        self, server: Server, namespace: str
    ) -> None:
        meta = self.made(server, self.jobs(namespace), JOB)["metadata"]
        assert meta["uid"]
        assert int(meta["resourceVersion"]) > 0
        assert meta["generation"] == 1
        assert meta["creationTimestamp"].endswith("Z")

    def test_taken_name_is_refused(self, server: Server, namespace: str) -> None:
        self.made(server, self.jobs(namespace), JOB)
        code, refusal = server.ask("POST", self.jobs(namespace), JOB)
        assert (code, refusal["reason"], refusal["kind"]) == (409, "AlreadyExists", "Status")

    def test_absent_object_is_not_found(self, server: Server, namespace: str) -> None:
        for method in ("GET", "DELETE"):
            code, refusal = server.ask(method, f"{self.jobs(namespace)}/absent")
            assert (code, refusal["reason"]) == (404, "NotFound")

    def test_update_of_old_version_conflicts(self, server: Server, namespace: str) -> None:
        old = self.made(server, self.jobs(namespace), JOB)
        path = f"{self.jobs(namespace)}/job"
        server.ask("PATCH", path, {"spec": {"suspend": True}}, content=MERGE_PATCH)
        code, refusal = server.ask("PUT", path, old)
        assert (code, refusal["reason"]) == (409, "Conflict")

    def test_update_of_another_uid_conflicts(self, server: Server, namespace: str) -> None:
        found = self.made(server, self.jobs(namespace), JOB)
        found["metadata"]["uid"] = "8d2b5c1e-0000-4000-8000-00000000cafe"
        del found["metadata"]["resourceVersion"]
        for part in ("", "/status"):
            code, refusal = server.ask("PUT", f"{self.jobs(namespace)}/job{part}", found)
            assert (code, refusal["reason"]) == (409, "Conflict"), refusal

    def test_status_update_changes_no_spec_or_generation(
        self, server: Server, namespace: str
    ) -> None:
        found = self.made(server, self.jobs(namespace), JOB)
        changed = {**found, "status": {"attempt": 3}, "spec": {**found["spec"], "epochs": 7}}
        code, after = server.ask("PUT", f"{self.jobs(namespace)}/job/status", changed)
        assert code == 200, after
        assert after["status"]["attempt"] == 3
        assert after["spec"]["epochs"] == 100
        assert after["metadata"]["generation"] == 1
        assert int(version(after)) > int(version(found))

    def test_spec_update_keeps_status_and_raises_generation(
        self, server: Server, namespace: str
    ) -> None:
        found = self.made(server, self.jobs(namespace), JOB)
        path = f"{self.jobs(namespace)}/job"
        _, found = server.ask("PUT", f"{path}/status", {**found, "status": {"attempt": 3}})
        changed = {**found, "spec": {**found["spec"], "suspend": True}, "status": {"attempt": 9}}
        code, after = server.ask("PUT", path, changed)
        assert code == 200, after
        assert after["spec"]["suspend"] is True
        assert after["status"]["attempt"] == 3
        assert after["metadata"]["generation"] == 2

    def test_write_without_change_keeps_version(self, server: Server, namespace: str) -> None:
        found = self.made(server, self.jobs(namespace), JOB)
        path = f"{self.jobs(namespace)}/job"
        _, after = server.ask("PUT", path, found)
        _, later = server.ask("PATCH", path, {"spec": {"epochs": 100}}, content=MERGE_PATCH)
        assert version(found) == version(after) == version(later)

    def test_merge_patch_sets_and_removes_fields(self, server: Server, namespace: str) -> None:
        self.made(server, self.pods(namespace), pod("a", one="1", two="2"))
        labels = {"one": None, "three": "3"}
        path = f"{self.pods(namespace)}/a"
        _, after = server.ask("PATCH", path, {"metadata": {"labels": labels}}, content=MERGE_PATCH)
        assert after["metadata"]["labels"] == {"two": "2", "three": "3"}

    def test_request_for_metadata_gets_metadata_only(self, server: Server, namespace: str) -> None:
        code, found = server.ask("POST", self.pods(namespace), pod("a"), accept=METADATA)
        assert code == 201
        assert found["kind"] == "PartialObjectMetadata"
        assert "spec" not in found

    def test_delete_with_another_uid_conflicts(self, server: Server, namespace: str) -> None:
        self.made(server, self.pods(namespace), pod("a"))
        options = {"preconditions": {"uid": "8d2b5c1e-0000-4000-8000-00000000cafe"}}
        code, refusal = server.ask("DELETE", f"{self.pods(namespace)}/a", options)
        assert (code, refusal["reason"]) == (409, "Conflict")
        assert "UID in" in refusal["message"]
        assert "recondition" in refusal["message"]

    def test_deleted_pod_without_node_is_removed_immediately(
        self, server: Server, namespace: str
    ) -> None:
        self.made(server, self.pods(namespace), pod("a"))
        server.ask("DELETE", f"{self.pods(namespace)}/a")
        assert server.ask("GET", f"{self.pods(namespace)}/a")[0] == 404

    def test_deleted_pod_on_node_waits_for_kubelet(self, server: Server, namespace: str) -> None:
        self.made(server, self.pods(namespace), pod("a", node="nowhere"))
        path = f"{self.pods(namespace)}/a"
        server.ask("DELETE", path)
        code, found = server.ask("GET", path)
        assert code == 200
        assert found["metadata"]["deletionTimestamp"]
        assert found["metadata"]["deletionGracePeriodSeconds"] == 7

    def test_grace_period_can_only_be_shortened(self, server: Server, namespace: str) -> None:
        self.made(server, self.pods(namespace), pod("a", node="nowhere"))
        path = f"{self.pods(namespace)}/a"
        for asked, expected in ((5, 5), (9, 5), (2, 2)):
            server.ask("DELETE", path, {"gracePeriodSeconds": asked})
            meta = server.ask("GET", path)[1]["metadata"]
            assert meta["deletionGracePeriodSeconds"] == expected

    def test_grace_period_of_zero_removes_object(self, server: Server, namespace: str) -> None:
        self.made(server, self.pods(namespace), pod("a", node="nowhere"))
        path = f"{self.pods(namespace)}/a"
        server.ask("DELETE", path, {"gracePeriodSeconds": 0})
        assert server.ask("GET", path)[0] == 404

    def test_finalizer_keeps_deleted_object(self, server: Server, namespace: str) -> None:
        body = copy.deepcopy(JOB)
        body["metadata"]["finalizers"] = ["example.com/wait"]
        self.made(server, self.jobs(namespace), body)
        path = f"{self.jobs(namespace)}/job"
        server.ask("DELETE", path)
        assert server.ask("GET", path)[1]["metadata"]["deletionTimestamp"]
        server.ask("PATCH", path, {"metadata": {"finalizers": []}}, content=MERGE_PATCH)
        assert server.ask("GET", path)[0] == 404

    def test_dry_run_stores_nothing(self, server: Server, namespace: str) -> None:
        code, _ = server.ask("POST", f"{self.pods(namespace)}?dryRun=All", pod("a"))
        assert code == 201
        assert server.ask("GET", f"{self.pods(namespace)}/a")[0] == 404

    def test_generated_name_is_unique(self, server: Server, namespace: str) -> None:
        body = pod("a")
        body["metadata"] = {"generateName": "a-"}
        names = {self.made(server, self.pods(namespace), body)["metadata"]["name"] for _ in "12"}
        assert len(names) == 2
        assert all(name.startswith("a-") for name in names)

    def test_list_pages_share_one_version(self, server: Server, namespace: str) -> None:
        for name in "abcde":
            self.made(server, self.pods(namespace), pod(name))
        _, first = server.ask("GET", f"{self.pods(namespace)}?limit=2")
        self.made(server, self.pods(namespace), pod("f"))
        names, page = [each["metadata"]["name"] for each in first["items"]], first
        while token := page["metadata"].get("continue"):
            _, page = server.ask("GET", f"{self.pods(namespace)}?limit=2&continue={token}")
            names += [each["metadata"]["name"] for each in page["items"]]
            assert version(page) == version(first)
        assert names == list("abcde")

    def test_selectors_filter_by_labels_and_fields(self, server: Server, namespace: str) -> None:
        self.made(server, self.pods(namespace), pod("a", node="nowhere", job="1"))
        self.made(server, self.pods(namespace), pod("b", job="2"))
        self.made(server, self.pods(namespace), pod("c"))

        def chosen(query: str) -> str:
            _, found = server.ask("GET", f"{self.pods(namespace)}?{query}")
            return "".join(each["metadata"]["name"] for each in found["items"])

        assert chosen("labelSelector=job") == "ab"
        assert chosen("labelSelector=!job") == "c"
        assert chosen("labelSelector=job%3D2") == "b"
        assert chosen("fieldSelector=spec.nodeName!%3D") == "a"
        assert chosen("fieldSelector=metadata.name%3Dc,status.phase!%3DFailed") == "c"

    def test_watch_sends_changes_after_its_version(self, server: Server, namespace: str) -> None:
        leases = self.leases(namespace)
        began = version(self.made(server, leases, lease("before")))
        self.made(server, leases, lease("a"))
        patch = {"metadata": {"labels": {"one": "2"}}}
        server.ask("PATCH", f"{leases}/a", patch, content=MERGE_PATCH)
        server.ask("DELETE", f"{leases}/a")
        events = server.events(f"{leases}?watch=true&timeoutSeconds=2&resourceVersion={began}")
        assert named(events) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
        versions = [int(version(each["object"])) for each in events]
        assert versions == sorted(set(versions))

    def test_watch_follows_objects_in_and_out_of_selector(
        self, server: Server, namespace: str
    ) -> None:
        leases = self.leases(namespace)
        began = version(self.made(server, leases, lease("a")))
        for labels in ({"job": "1"}, {"job": "2"}, {"job": None}):
            patch = {"metadata": {"labels": labels}}
            server.ask("PATCH", f"{leases}/a", patch, content=MERGE_PATCH)
        events = server.events(
            f"{leases}?watch=true&timeoutSeconds=2&resourceVersion={began}&labelSelector=job"
        )
        assert named(events) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]

    def test_streamed_list_ends_with_bookmark(self, server: Server, namespace: str) -> None:
        for name in "ab":
            self.made(server, self.leases(namespace), lease(name))
        events = server.events(
            f"{self.leases(namespace)}?watch=true&timeoutSeconds=2&sendInitialEvents=true"
            "&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
        )
        assert sorted(named(events)) == [("ADDED", "a"), ("ADDED", "b")]
        end = events[2]
        assert end["type"] == "BOOKMARK"
        assert end["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
