"""An operator whose scope is two namespaces, with the chart's rights for those two alone.

Jobs in these namespaces run as usual. The operator requests no object of another namespace. When one
namespace withdraws the rights, the others see one operator restart and no other effect.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest

from stargate_lab.cluster import chart, installation
from stargate_lab.cluster.api import Json
from stargate_lab.cluster.control_plane import ControlPlane
from stargate_lab.process.operator_process import OperatorProcess
from stargate_operator.runtime.namespace_access import ASK_AGAIN_SECONDS
from tests.faults.lab import PATIENT, Lab, a_lab
from tests.kit.plane_recorder import recording_on
from tests.kit.racks import Racks
from tests.kit.recorder.history import Pod
from tests.kit.story import Scene, Story, eventually, exists, manifest
from tests.kit.worker import Worker

ACCOUNT = "system:serviceaccount:stargate-system:stargate-operator"
EVERYWHERE = {
    "acceleratorclasses",
    "computeblocks",
    "computeblocks/status",
    "nodes",
    "pods",
    "stargateruntimes",
    "tokenreviews",
}
"""Cluster-wide resources that the operator may request."""
SOON = ASK_AGAIN_SECONDS + 5


class Asked(NamedTuple):
    verb: str
    resource: str
    namespace: str
    code: int


def _asked(entry: Json) -> Asked:
    of = entry.get("objectRef", {})
    resource = "/".join(filter(None, (of.get("resource"), of.get("subresource"))))
    code = entry.get("responseStatus", {}).get("code", 0)
    return Asked(entry["verb"], resource, of.get("namespace", ""), code)


@dataclass
class Teams:
    """Two namespaces in the operator's scope (`alpha`, `beta`) and one outside it (`other`)."""

    plane: ControlPlane
    audit_log: Path
    operator: OperatorProcess
    alpha: str
    beta: str
    other: str

    def asked(self, since: int) -> set[Asked]:
        """All requests of the operator's process, kopf's included, since an offset in the audit log."""
        with self.audit_log.open("rb") as log:
            log.seek(since)
            entries = [json.loads(line) for line in log if line.endswith(b"\n")]
        return {_asked(entry) for entry in entries if entry["user"]["username"] == ACCOUNT}

    def may(self, verb: str, resource: str, namespace: str) -> bool:
        asked = {"verb": verb, "resource": resource, "namespace": namespace}
        body = {"spec": {"user": ACCOUNT, "resourceAttributes": asked}}
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        return bool(self.plane.api.create(path, body)["status"]["allowed"])

    def withdraw(self, namespace: str) -> Json:
        """Delete the RoleBinding in the namespace. Return the binding, to restore it."""
        path = f"{_bindings(namespace)}/stargate-operator-gangs"
        binding = self.plane.api.get(path)
        self.plane.api.delete(path)
        eventually(lambda: not self.may("create", "pods", namespace), "the loss of the rights")
        return {**binding, "metadata": {"name": binding["metadata"]["name"]}}

    def give_back(self, namespace: str, binding: Json) -> None:
        self.plane.api.create(_bindings(namespace), binding)


def _bindings(namespace: str) -> str:
    return f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}/rolebindings"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A control plane with PodGroups, which need their own rights."""
    with a_lab(tmp_path_factory.mktemp("audit"), gang_scheduling=True) as lab:
        yield lab


@pytest.fixture(scope="module")
def teams(lab: Lab) -> Iterator[Teams]:
    lab.operator.stop()
    alpha, beta, other = names = [f"test-{letter}-{uuid4().hex[:6]}" for letter in ("a", "b", "c")]
    for name in names:
        lab.plane.api.create("/api/v1/namespaces", {"metadata": {"name": name}})
    rights = chart.template("rbac.yaml", values=json.dumps({"watchNamespaces": [alpha, beta]}))
    installation.apply_text(lab.plane, rights)
    settings = {
        **PATIENT,
        "STARGATE_WATCH_NAMESPACES": f"{alpha},{beta}",
        "STARGATE_COMPUTE_SECONDS": "1",
    }
    operator = lab.another_operator("scoped", settings)
    yield Teams(lab.plane, lab.audit_log, operator, alpha, beta, other)
    operator.stop()


@pytest.fixture
def operator(teams: Teams) -> Iterator[OperatorProcess]:
    if not teams.operator.pid:
        teams.operator.start()
    begin = teams.operator.log_path.stat().st_size
    yield teams.operator
    assert "Traceback" not in teams.operator.log_path.read_text()[begin:]


@pytest.fixture
def alpha(teams: Teams, operator: OperatorProcess) -> Iterator[Story]:
    with recording_on(teams.plane, teams.alpha, teams.audit_log) as recorder:
        yield Story(teams.plane.api, teams.alpha, recorder, operator)


@pytest.fixture
def beta(teams: Teams, operator: OperatorProcess) -> Iterator[Story]:
    with recording_on(teams.plane, teams.beta, teams.audit_log) as recorder:
        yield Story(teams.plane.api, teams.beta, recorder, operator)


def strange(asked: Asked, teams: Teams) -> bool:
    """True if the request was refused, or asked for an object outside the operator's scope."""
    if asked.code == 403:
        return True
    if asked.namespace:
        return asked.namespace not in (teams.alpha, teams.beta, "stargate-system")
    return asked.resource != "" and asked.resource not in EVERYWHERE


def test_scoped_operator_touches_only_its_own_namespaces(
    teams: Teams, alpha: Story, beta: Story, racks: Racks
) -> None:
    rack, api, begin = racks.build(nodes=4), teams.plane.api, teams.audit_log.stat().st_size
    jobs = f"/apis/stargate.dev/v1alpha1/namespaces/{teams.other}/stargatejobs"
    api.create(jobs, manifest("theirs", 1, acceleratorType=rack))
    here = [scene.apply("job", 2, acceleratorType=rack) for scene in (alpha, beta)]
    for job in here:
        job.wait_phase("Running")
        assert "schedulingGroup" in job.rank(0).raw["spec"], "the gang is a native gang"
        assert job.worker().saves(5).status == 200
        job.oom_kill(1)
        assert job.wait_phase("Running", attempt=2).attempts[1]["restoredEpoch"] == 5
        job.finish()
        job.wait_phase("Succeeded")
        eventually(partial(job.events, "Succeeded"), "the Succeeded event")
        job.delete()
        job.wait_gone()

    assert "status" not in api.get(f"{jobs}/theirs"), "the operator must not touch it"
    for kind in ("pods", "services", "events"):
        assert not api.get(f"/api/v1/namespaces/{teams.other}/{kind}")["items"]
    assert not teams.may("create", "pods", teams.other)
    teams.operator.stop()  # the audit log shows a watch only after its end
    asked = teams.asked(since=begin)
    assert Asked("watch", "stargatejobs", teams.beta, 200) in asked
    assert not [request for request in asked if strange(request, teams)]
    api.delete(f"{jobs}/theirs")


def worker_elsewhere(teams: Teams, like: Worker, node: str) -> Worker:
    """A pod outside the operator's scope with the spec and labels of a worker."""
    raw = like.pod.raw
    spec = {**raw["spec"], "nodeName": node}
    meta = {"name": raw["metadata"]["name"], "labels": raw["metadata"]["labels"]}
    spec.pop("schedulingGroup", None)
    path = f"/api/v1/namespaces/{teams.other}/pods"
    created = teams.plane.api.create(path, {"metadata": meta, "spec": spec})
    return Worker(teams.plane.api, Pod(created))


def test_report_from_worker_outside_scope_is_refused(
    teams: Teams, alpha: Story, racks: Racks
) -> None:
    rack = racks.classify(f"rack-{uuid4().hex[:6]}")
    nodes = racks.add(rack, 4)
    job = alpha.apply("beside", 2, acceleratorType=rack)
    job.wait_phase("Running")

    def free_nodes() -> int:
        block = teams.plane.api.get("/apis/stargate.dev/v1alpha1/computeblocks/cluster")
        classes = block.get("status", {}).get("accelerators", [])
        return next((c["freeNodes"] for c in classes if c["acceleratorType"] == rack), -1)

    eventually(lambda: free_nodes() == 2, "two nodes taken by the gang")
    taken = {pod.node for pod in job.pods()}
    stranger = worker_elsewhere(teams, job.worker(1), min(set(nodes) - taken))
    eventually(lambda: free_nodes() == 1, "one node taken by the pod outside the scope")

    path = f"/apis/stargate.dev/v1alpha1/namespaces/{teams.other}/stargatejobs/beside/report"
    answer = stranger.post(b"{}", path=path)
    assert answer.status == 503, answer
    assert f"runs no jobs of namespace '{teams.other}'" in answer.message
    assert job.now.attempt == 1, "a label outside the scope adds no pod to a gang"
    assert job.now.workers["created"] == 2
    teams.plane.api.delete(
        f"/api/v1/namespaces/{teams.other}/pods/{stranger.pod.name}", {"gracePeriodSeconds": 0}
    )


def test_revoked_rights_in_one_namespace_cost_one_restart(
    teams: Teams, alpha: Story, racks: Racks
) -> None:
    rack = racks.build(nodes=4)
    job = alpha.apply("going-on", 2, acceleratorType=rack)
    job.wait_phase("Running")
    binding = teams.withdraw(teams.beta)
    with alpha.recorder.interrupted():
        eventually(lambda: not teams.operator.pid, "the end of the process", 2 * SOON)
        assert f"'{teams.beta}' refuses to be watched" in teams.operator.log_tail()
        teams.operator.start()

    waiting = Scene(teams.plane.api, teams.beta, alpha.recorder)
    teams.plane.api.create(waiting.jobs, manifest("late", 1, acceleratorType=rack))
    job.oom_kill(0)
    job.wait_phase("Running", attempt=2)
    assert teams.operator.metric("stargate_namespaces_refused") == 1
    assert teams.operator.is_live()
    assert "status" not in teams.plane.api.get(f"{waiting.jobs}/late")

    teams.give_back(teams.beta, binding)
    with alpha.recorder.interrupted():
        eventually(
            lambda: not teams.operator.pid,
            "the end of the process, to restart with all namespaces",
            SOON,
        )
        teams.operator.start()
    late = f"{waiting.core}/pods/late-1-0"
    eventually(lambda: exists(teams.plane.api, late), "the gang of the waiting job")
    assert teams.operator.metric("stargate_namespaces_refused") == 0
    assert job.now.attempt == 2


def test_operator_without_rights_in_any_namespace_ends(teams: Teams) -> None:
    teams.operator.stop()
    bindings = {name: teams.withdraw(name) for name in (teams.alpha, teams.beta)}
    teams.operator.start(wait=False)
    eventually(lambda: not teams.operator.pid, "the end of the process")
    log = teams.operator.log_tail()
    assert f"none of watch-namespaces ({teams.alpha}, {teams.beta})" in log
    assert "cannot list resource" in log, "the API server's own message"
    for namespace, binding in bindings.items():
        teams.give_back(namespace, binding)
