"""The Service and the PodGroup beside a gang's pods."""

from stargate_operator.desired.gang_objects import pod_group, service
from stargate_types.job_policies import Rendezvous
from tests.kit.builders import JOB_UID, job


def test_the_service_is_headless_and_selects_rank_0_alone() -> None:
    spec = service(job())["spec"]
    assert (spec["clusterIP"], spec["publishNotReadyAddresses"]) == ("None", True)
    assert spec["selector"] == {"stargate.dev/job-uid": JOB_UID, "stargate.dev/rank": "0"}


def test_all_ranks_where_the_job_asks_for_their_names() -> None:
    found = service(job(rendezvous=Rendezvous(hostnames="All")))
    assert found["spec"]["selector"] == {"stargate.dev/job-uid": JOB_UID}


def test_it_has_the_job_s_name_and_owner() -> None:
    meta = service(job())["metadata"]
    assert (meta["name"], meta["namespace"]) == ("train", "team-a")
    assert meta["ownerReferences"][0]["uid"] == JOB_UID


def test_a_pod_group_wants_all_ranks_of_its_attempt() -> None:
    group = pod_group(job(nodes=60), attempt=2, api_version="scheduling.k8s.io/v1alpha2")
    assert group["metadata"]["name"] == "train-2"
    assert group["metadata"]["labels"]["stargate.dev/attempt"] == "2"
    assert group["spec"] == {"schedulingPolicy": {"gang": {"minCount": 60}}}
