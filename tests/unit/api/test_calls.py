"""What each call asks of the server, and what it makes of the answers."""

import re
from typing import Any

import pytest

from stargate_api import Answer, Conflict, InvalidConfig, NotAuthorised, NotFound, Refused
from stargate_api.exchange import Json, Request, settle
from tests.unit.api.scripted_server import (
    ARTICLE,
    LOST,
    SPEC,
    Script,
    Time,
    answers,
    block,
    calls,
    config,
    job,
    listed,
    no,
    progress,
    words,
    yes,
)

NAME = re.compile(r"team/stargate-materia-v3-[a-z2-7]{8}")
TAKEN = no(409, "already exists", reason="AlreadyExists")


def submit(server: Script, time: Time, found: Any = ARTICLE, **more: Any) -> str:
    call = calls(time).submit(found, more.get("namespace"), more.get("request_id"))
    return settle(call, server)


def stored(server: Script) -> Any:
    """The job that the first creation stored."""

    def answer(_: Request) -> Any:
        body = next(r.body for r in server.requests if r.method == "POST")
        return yes(body or {})

    return answer


def test_a_job_is_created_and_its_id_returned(time: Time) -> None:
    server = answers(yes({}, 201))
    job_id = submit(server, time)

    assert NAME.fullmatch(job_id)
    (request,) = server.requests
    assert request.method == "POST"
    assert request.path == "/apis/stargate.dev/v1alpha1/namespaces/team/stargatejobs"
    assert request.query == {"fieldValidation": "Strict"}
    assert request.body is not None
    assert request.body["spec"] == SPEC
    assert request.body["metadata"]["name"] == job_id.removeprefix("team/")


def test_each_call_is_a_job_of_its_own(time: Time) -> None:
    server = answers(yes({}, 201))
    assert submit(server, time) != submit(server, time)


def test_a_wrong_config_is_never_sent(time: Time) -> None:
    server = answers(yes({}, 201))
    with pytest.raises(InvalidConfig):
        submit(server, time, config(epochs="many"))
    assert server.requests == []


def test_a_lost_answer_does_not_make_two_jobs(time: Time) -> None:
    server = answers(LOST, TAKEN)
    server.outcomes.append(stored(server))
    job_id = submit(server, time)

    first, second, look = server.requests
    assert first.body == second.body
    assert look.path.endswith(job_id.removeprefix("team/"))


def test_a_name_that_somebody_else_took_is_a_conflict(time: Time) -> None:
    with pytest.raises(Conflict, match="exists already"):
        submit(answers(TAKEN, yes(job())), time)


def test_the_same_request_is_the_same_job(time: Time) -> None:
    first = answers(listed(), yes({}, 201))
    job_id = submit(first, time, request_id="run-7")
    body: Json = first.requests[-1].body or {}

    again = answers(listed(body))
    assert submit(again, time, request_id="run-7") == job_id
    assert [request.method for request in again.requests] == ["GET"]


@pytest.mark.parametrize("change", [{"epochs": 101}, {"model_name": "another"}])
def test_the_same_request_with_another_config_is_a_conflict(
    time: Time, change: dict[str, Any]
) -> None:
    first = answers(listed(), yes({}, 201))
    submit(first, time, request_id="run-7")
    body: Json = first.requests[-1].body or {}

    with pytest.raises(Conflict, match=r"'run-7' was used for team/.* with another config"):
        submit(answers(listed(body)), time, config(**change), request_id="run-7")


def test_two_submits_of_one_request_at_once_are_one_job(time: Time) -> None:
    server = answers(listed(), TAKEN)
    server.outcomes.append(stored(server))
    assert NAME.fullmatch(submit(server, time, request_id="run-7"))


def test_a_request_id_must_be_a_text(time: Time) -> None:
    with pytest.raises(InvalidConfig, match="the request id is not valid"):
        submit(answers(yes({})), time, request_id="")


def test_a_manifest_keeps_its_name_and_labels(time: Time) -> None:
    manifest = job("mine")
    manifest["metadata"]["labels"] = {"team": "vision"}
    server = answers(yes({}, 201))

    assert settle(calls(time).submit_manifest(manifest, None), server) == "team/mine"
    body = server.requests[0].body or {}
    assert body["metadata"]["labels"]["team"] == "vision"
    assert "status" not in body


def test_a_manifest_and_a_call_must_not_name_two_namespaces(time: Time) -> None:
    with pytest.raises(InvalidConfig, match="is team, but the call says other"):
        settle(calls(time).submit_manifest(job(), "other"), answers(yes({})))


def test_the_article_s_status(time: Time) -> None:
    running = job(phase="Running", progress=progress(57, metrics=[{"name": "loss", "value": 0.5}]))
    found = settle(calls(time).status("job"), answers(yes(running)))

    assert found["state"] == "Running"
    assert found.get("progress") == 57.0
    assert (found.epoch, found.epochs, found.metrics) == (57, 100, {"loss": 0.5})
    assert dict(found)["job_id"] == "team/job"


def test_progress_is_absent_before_the_first_report(time: Time) -> None:
    found = settle(calls(time).status("team/job"), answers(yes(job())))
    assert found["state"] == "Pending"
    assert found.get("progress") is None
    assert "progress" not in found
    with pytest.raises(KeyError):
        found["progress"]


def test_a_status_says_why_the_job_waits(time: Time) -> None:
    said = {
        "type": "Accepted",
        "status": "False",
        "reason": "AcceleratorClassNotFound",
        "message": "no AcceleratorClass states v9",
        "lastTransitionTime": "2026-03-01T12:00:00Z",
    }
    found = settle(calls(time).status("job"), answers(yes(job(phase="Pending", conditions=[said]))))
    assert found["message"] == "no AcceleratorClass states v9"


def test_a_job_of_a_newer_operator_can_be_read(time: Time) -> None:
    attempt = {"number": 1, "start": "2026-03-01T12:00:00Z", "cause": "Meteor", "worldSize": 2}
    newer = job(phase="Running", later={"x": 1}, attempts=[attempt])
    found = settle(calls(time).status("job"), answers(yes(newer)))
    assert found.state == "Running"
    assert found.attempts[0].cause is None
    assert found.manifest["status"]["attempts"][0]["cause"] == "Meteor"


@pytest.mark.parametrize("job_id", ["", "a/b/c", "/job", "Team/job", "team/", "team/Job"])
def test_what_is_no_job_id_is_told_so(time: Time, job_id: str) -> None:
    with pytest.raises(InvalidConfig, match="must be namespace/name"):
        settle(calls(time).status(job_id), answers(yes(job())))


def test_a_list_reads_all_its_pages(time: Time) -> None:
    server = answers(listed(job("a"), following="more"), listed(job("b")))
    found = settle(calls(time).list_jobs(None, False), server)
    assert [each.name for each in found] == ["a", "b"]
    assert server.requests[1].query["continue"] == "more"


def test_a_list_that_the_server_forgot_begins_again(time: Time) -> None:
    server = answers(listed(job("a"), following="x"), no(410, "expired"), listed(job("b")))
    assert [each.name for each in settle(calls(time).list_jobs(None, False), server)] == ["b"]


def test_suspending_is_a_change_of_one_field(time: Time) -> None:
    server = answers(yes(job()))
    settle(calls(time).suspend("job", True), server)
    assert server.requests[0].body == {"spec": {"suspend": True}}
    assert server.requests[0].content == "application/merge-patch+json"


def test_cancelling_deletes_this_job_and_no_later_one(time: Time) -> None:
    server = answers(yes(job()), LOST, no(409, "the UID differs"))
    settle(calls(time).cancel("job"), server)
    assert server.requests[-1].body == {
        "propagationPolicy": "Background",
        "preconditions": {"uid": "uid-of-job"},
    }


def test_cancelling_what_does_not_exist_is_told(time: Time) -> None:
    gone = no(404, "not found", details={"name": "job", "kind": "stargatejobs"})
    with pytest.raises(NotFound, match="no job job in namespace team"):
        settle(calls(time).cancel("job"), answers(gone))


def test_compute_has_enough_nodes_near_enough(time: Time) -> None:
    blocks = [
        block("small", latency=1, silicon=3),
        block("near", latency=5, silicon=7),
        block("nearer", latency=2, silicon=9),
        block("far", latency=6, silicon=9),
        block("unmeasured", silicon=9),
        block("in two halves", latency=1, silicon=4, other=4),
    ]
    found = settle(calls(time).compute(5, 5, None), answers(listed(*blocks)))
    assert [each.name for each in found] == ["nearer", "near"]
    assert words(found[0].items())[:3] == [
        "('name', 'nearer')",
        "('nodes', 10)",
        "('free_nodes', 9)",
    ]


def test_compute_of_one_accelerator_type(time: Time) -> None:
    blocks = [block("a", silicon=9, other=1), block("b", other=4)]
    found = settle(calls(time).compute(0, None, "other"), answers(listed(*blocks)))
    assert [(each.name, each.free_nodes) for each in found] == [("b", 4), ("a", 1)]
    assert found[0].nodes_with(free_devices=4) == 10


def test_a_block_that_nobody_has_counted_offers_nothing(time: Time) -> None:
    new: Json = {"metadata": {"name": "new"}, "spec": {}}
    assert settle(calls(time).compute(1, None, None), answers(listed(new))) == []
    (found,) = settle(calls(time).compute(0, None, None), answers(listed(new)))
    assert found.observed_time is None


def test_a_refusal_has_the_server_s_words_and_field(time: Time) -> None:
    cause = {"field": "spec.checkpointIntervalEpochs", "message": "must be at most spec.epochs"}
    refusal = no(422, "StargateJob is invalid", details={"causes": [cause]})
    with pytest.raises(Refused, match="must be at most") as caught:
        submit(answers(refusal), time)
    assert caught.value.field == "spec.checkpointIntervalEpochs"


def test_a_missing_right_is_named(time: Time) -> None:
    said = (
        'stargatejobs.stargate.dev is forbidden: User "reader" cannot create resource'
        ' "stargatejobs" in API group "stargate.dev" in the namespace "team"'
    )
    with pytest.raises(
        NotAuthorised, match="reader may not create stargatejobs in namespace team"
    ) as e:
        submit(answers(no(403, said)), time)
    assert (e.value.verb, e.value.resource, e.value.namespace) == ("create", "stargatejobs", "team")


def test_a_quota_is_a_refusal_and_no_missing_right(time: Time) -> None:
    with pytest.raises(Refused, match="exceeded quota"):
        submit(answers(no(403, "exceeded quota: team")), time)


def test_an_unknown_key_is_told_what_to_do(time: Time) -> None:
    with pytest.raises(NotAuthorised, match="kubectl create token"):
        submit(answers(no(401, "Unauthorized")), time)


def test_a_cluster_without_stargate_is_told_so(time: Time) -> None:
    with pytest.raises(NotFound, match="is Stargate installed there"):
        submit(answers(no(404, "the server could not find the requested resource")), time)


def test_a_namespace_that_does_not_exist_is_told_so(time: Time) -> None:
    details = {"kind": "namespaces", "name": "team"}
    with pytest.raises(NotFound, match='"team" not found: create it'):
        submit(answers(no(404, 'namespaces "team" not found', details=details)), time)


CLASS: Json = {
    "metadata": {"name": "silicon"},
    "spec": {"acceleratorType": "stargate_silicon_v2", "resourceName": "example.com/silicon"},
}
RUNTIME: Json = {
    "metadata": {"name": "default"},
    "spec": {"isDefault": True, "image": "i", "checkpoint": {"uriPrefix": "s3://b"}},
}
QUOTA: Json = {
    "metadata": {"name": "team"},
    "spec": {"hard": {"pods": "2"}},
    "status": {"hard": {"pods": "2"}, "used": {"pods": "0"}},
}


def catalog(free: int, quotas: Any) -> Script:
    blocks = listed(block("row-a", stargate_silicon_v2=free))
    return answers(blocks, listed(CLASS), listed(RUNTIME), quotas)


def wanted(nodes: int) -> Json:
    return config(
        resource_allocation={
            "nodes": nodes,
            "gpu_equivalents_per_node": 8,
            "memory_gb_per_node": 256,
        }
    )


def test_check_reads_what_a_researcher_may_and_submits_nothing(time: Time) -> None:
    server = catalog(3, listed(QUOTA))
    found = settle(calls(time).check(wanted(3), None), server)
    assert found.answer is Answer.NEVER
    assert [each.reason for each in found.reasons] == ["QuotaTooSmall"]
    assert [(each.block, each.answer, each.room) for each in found.blocks] == [
        ("row-a", Answer.YES, 3)
    ]
    assert server.asked == [
        "GET /apis/stargate.dev/v1alpha1/computeblocks",
        "GET /apis/stargate.dev/v1alpha1/acceleratorclasses",
        "GET /apis/stargate.dev/v1alpha1/stargateruntimes",
        "GET /api/v1/namespaces/team/resourcequotas",
    ]


def test_check_takes_a_manifest_too_in_its_own_namespace(time: Time) -> None:
    server = catalog(3, listed())
    manifest = {
        "apiVersion": "stargate.dev/v1alpha1",
        "kind": "StargateJob",
        "metadata": {"namespace": "other"},
        "spec": SPEC,
    }
    found = settle(calls(time).check(manifest, None), server)
    assert found.answer is Answer.NOT_NOW
    assert server.asked[-1] == "GET /api/v1/namespaces/other/resourcequotas"


def test_one_who_may_not_read_quotas_is_told_that_the_answer_assumes_none(time: Time) -> None:
    server = catalog(3, no(403, "forbidden"))
    found = settle(calls(time).check(wanted(3), None), server)
    assert found
    assert "you may not read those of team" in found.assumptions[0]


def test_check_refuses_a_bad_config_before_it_asks(time: Time) -> None:
    server = answers()
    with pytest.raises(InvalidConfig):
        settle(calls(time).check({}, None), server)
    assert server.asked == []
