"""The requests that each call sends, and how it reads the answers."""

import re
from typing import Any

import pytest

from stargate_api import Answer, Conflict, InvalidConfig, NotAuthorised, NotFound, Refused
from stargate_api._client.steps import Json, Request, run_call
from stargate_types.position import Position
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
    return run_call(call, server)


def stored(server: Script) -> Any:
    """The job that the first creation stored."""

    def answer(_: Request) -> Any:
        body = next(r.body for r in server.requests if r.method == "POST")
        return yes(body or {})

    return answer


def test_submit_creates_a_job_and_returns_its_id(time: Time) -> None:
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


def test_two_submits_create_two_jobs(time: Time) -> None:
    server = answers(yes({}, 201))
    assert submit(server, time) != submit(server, time)


def test_invalid_config_sends_nothing(time: Time) -> None:
    server = answers(yes({}, 201))
    with pytest.raises(InvalidConfig):
        submit(server, time, config(epochs="many"))
    assert server.requests == []


def test_lost_answer_creates_one_job(time: Time) -> None:
    server = answers(LOST, TAKEN)
    server.outcomes.append(stored(server))
    job_id = submit(server, time)

    first, second, look = server.requests
    assert first.body == second.body
    assert look.path.endswith(job_id.removeprefix("team/"))


def test_taken_name_raises_conflict(time: Time) -> None:
    with pytest.raises(Conflict, match="exists already"):
        submit(answers(TAKEN, yes(job())), time)


def test_same_request_id_returns_the_same_job(time: Time) -> None:
    first = answers(listed(), yes({}, 201))
    job_id = submit(first, time, request_id="run-7")
    body: Json = first.requests[-1].body or {}

    again = answers(listed(body))
    assert submit(again, time, request_id="run-7") == job_id
    assert [request.method for request in again.requests] == ["GET"]


@pytest.mark.parametrize("change", [{"epochs": 101}, {"model_name": "another"}])
def test_same_request_id_with_another_config_raises_conflict(
    time: Time, change: dict[str, Any]
) -> None:
    first = answers(listed(), yes({}, 201))
    submit(first, time, request_id="run-7")
    body: Json = first.requests[-1].body or {}

    with pytest.raises(Conflict, match=r"'run-7' was used for team/.* with another config"):
        submit(answers(listed(body)), time, config(**change), request_id="run-7")


def test_concurrent_submits_of_one_request_create_one_job(time: Time) -> None:
    server = answers(listed(), TAKEN)
    server.outcomes.append(stored(server))
    assert NAME.fullmatch(submit(server, time, request_id="run-7"))


def test_empty_request_id_is_refused(time: Time) -> None:
    with pytest.raises(InvalidConfig, match="the request id is not valid"):
        submit(answers(yes({})), time, request_id="")


def test_manifest_keeps_its_name_and_labels(time: Time) -> None:
    manifest = job("mine")
    manifest["metadata"]["labels"] = {"team": "vision"}
    server = answers(yes({}, 201))

    assert run_call(calls(time).submit_manifest(manifest, None), server) == "team/mine"
    body = server.requests[0].body or {}
    assert body["metadata"]["labels"]["team"] == "vision"
    assert "status" not in body


def test_manifest_and_call_with_different_namespaces_are_refused(time: Time) -> None:
    with pytest.raises(InvalidConfig, match="is team, but the call says other"):
        run_call(calls(time).submit_manifest(job(), "other"), answers(yes({})))


def test_status_has_the_article_s_keys(time: Time) -> None:
    running = job(phase="Running", progress=progress(57, metrics=[{"name": "loss", "value": 0.5}]))
    found = run_call(calls(time).status("job"), answers(yes(running)))

    assert found["state"] == "Running"
    assert found.get("progress") == 57.0
    assert (found.epoch, found.epochs, found.metrics) == (57, 100, {"loss": 0.5})
    assert dict(found)["job_id"] == "team/job"


def test_status_has_the_steps_of_a_job(time: Time) -> None:
    told = progress(0, step=3150, totalSteps=9000, stepsPerSecond=2.5)
    saved = {"epoch": 0, "step": 3000, "uri": "s3://b/c", "state": "Complete"}
    saved["time"] = "2026-03-01T12:00:00Z"
    running = job(phase="Running", progress=told, checkpoints={"history": [saved]})
    found = run_call(calls(time).status("job"), answers(yes(running)))
    steps = {"step": 3150, "total_steps": 9000, "steps_per_second": 2.5, "checkpoint_step": 3000}
    assert {name: found[name] for name in steps} == steps
    assert found.position == Position(0, 3150)


def test_status_of_a_job_by_epochs_has_no_steps(time: Time) -> None:
    found = run_call(calls(time).status("job"), answers(yes(job(progress=progress(57)))))
    assert not {"step", "total_steps", "steps_per_second", "checkpoint_step"} & set(found)


def test_steps_of_the_spec_are_known_before_a_report(time: Time) -> None:
    stated = job()
    stated["spec"] = {**stated["spec"], "steps": 9000}
    found = run_call(calls(time).status("job"), answers(yes(stated)))
    assert (found["total_steps"], found.get("step"), found.position) == (9000, None, None)


def test_progress_is_absent_before_the_first_report(time: Time) -> None:
    found = run_call(calls(time).status("team/job"), answers(yes(job())))
    assert found["state"] == "Pending"
    assert found.get("progress") is None
    assert "progress" not in found
    with pytest.raises(KeyError):
        found["progress"]


def test_status_says_why_a_pending_job_waits(time: Time) -> None:
    said = {
        "type": "Accepted",
        "status": "False",
        "reason": "AcceleratorClassNotFound",
        "message": "no AcceleratorClass states v9",
        "lastTransitionTime": "2026-03-01T12:00:00Z",
    }
    found = run_call(
        calls(time).status("job"), answers(yes(job(phase="Pending", conditions=[said])))
    )
    assert found["message"] == "no AcceleratorClass states v9"


def test_status_of_a_newer_operator_is_readable(time: Time) -> None:
    attempt = {"number": 1, "start": "2026-03-01T12:00:00Z", "cause": "Meteor", "worldSize": 2}
    newer = job(phase="Running", later={"x": 1}, attempts=[attempt])
    found = run_call(calls(time).status("job"), answers(yes(newer)))
    assert found.state == "Running"
    assert found.attempts[0].cause == "Meteor"
    assert found.manifest["status"]["attempts"][0]["cause"] == "Meteor"


@pytest.mark.parametrize("job_id", ["", "a/b/c", "/job", "Team/job", "team/", "team/Job"])
def test_malformed_job_id_is_refused(time: Time, job_id: str) -> None:
    with pytest.raises(InvalidConfig, match="must be namespace/name"):
        run_call(calls(time).status(job_id), answers(yes(job())))


def test_list_reads_every_page(time: Time) -> None:
    server = answers(listed(job("a"), following="more"), listed(job("b")))
    found = run_call(calls(time).list_jobs(None, False), server)
    assert [each.name for each in found] == ["a", "b"]
    assert server.requests[1].query["continue"] == "more"


def test_expired_list_starts_again(time: Time) -> None:
    server = answers(listed(job("a"), following="x"), no(410, "expired"), listed(job("b")))
    assert [each.name for each in run_call(calls(time).list_jobs(None, False), server)] == ["b"]


def test_suspend_patches_one_field(time: Time) -> None:
    server = answers(yes(job()))
    run_call(calls(time).suspend("job", True), server)
    assert server.requests[0].body == {"spec": {"suspend": True}}
    assert server.requests[0].content == "application/merge-patch+json"


def test_cancel_deletes_by_uid(time: Time) -> None:
    server = answers(yes(job()), LOST, no(409, "the UID differs"))
    run_call(calls(time).cancel("job"), server)
    assert server.requests[-1].body == {
        "propagationPolicy": "Background",
        "preconditions": {"uid": "uid-of-job"},
    }


def test_cancel_of_an_unknown_job_raises_not_found(time: Time) -> None:
    gone = no(404, "not found", details={"name": "job", "kind": "stargatejobs"})
    with pytest.raises(NotFound, match="no job job in namespace team"):
        run_call(calls(time).cancel("job"), answers(gone))


def test_compute_filters_by_free_nodes_and_latency(time: Time) -> None:
    blocks = [
        block("small", latency=1, silicon=3),
        block("near", latency=5, silicon=7),
        block("nearer", latency=2, silicon=9),
        block("far", latency=6, silicon=9),
        block("unmeasured", silicon=9),
        block("in two halves", latency=1, silicon=4, other=4),
    ]
    found = run_call(calls(time).compute(5, 5, None), answers(listed(*blocks)))
    assert [each.name for each in found] == ["nearer", "near"]
    assert words(found[0].items())[:3] == [
        "('name', 'nearer')",
        "('nodes', 10)",
        "('free_nodes', 9)",
    ]


def test_compute_filters_by_accelerator_type(time: Time) -> None:
    blocks = [block("a", silicon=9, other=1), block("b", other=4)]
    found = run_call(calls(time).compute(0, None, "other"), answers(listed(*blocks)))
    assert [(each.name, each.free_nodes) for each in found] == [("b", 4), ("a", 1)]
    assert found[0].nodes_with(free_devices=4) == 10


def test_uncounted_block_offers_no_nodes(time: Time) -> None:
    new: Json = {"metadata": {"name": "new"}, "spec": {}}
    assert run_call(calls(time).compute(1, None, None), answers(listed(new))) == []
    (found,) = run_call(calls(time).compute(0, None, None), answers(listed(new)))
    assert found.observed_time is None


def test_refusal_has_the_server_s_message_and_field(time: Time) -> None:
    cause = {"field": "spec.checkpointIntervalEpochs", "message": "must be at most spec.epochs"}
    refusal = no(422, "StargateJob is invalid", details={"causes": [cause]})
    with pytest.raises(Refused, match="must be at most") as caught:
        submit(answers(refusal), time)
    assert caught.value.field == "spec.checkpointIntervalEpochs"


def test_missing_right_is_named(time: Time) -> None:
    said = (
        'stargatejobs.stargate.dev is forbidden: User "reader" cannot create resource'
        ' "stargatejobs" in API group "stargate.dev" in the namespace "team"'
    )
    with pytest.raises(
        NotAuthorised, match="reader may not create stargatejobs in namespace team"
    ) as e:
        submit(answers(no(403, said)), time)
    assert (e.value.verb, e.value.resource, e.value.namespace) == ("create", "stargatejobs", "team")


def test_exceeded_quota_raises_refused(time: Time) -> None:
    with pytest.raises(Refused, match="exceeded quota"):
        submit(answers(no(403, "exceeded quota: team")), time)


def test_unknown_key_error_says_how_to_get_one(time: Time) -> None:
    with pytest.raises(NotAuthorised, match="kubectl create token"):
        submit(answers(no(401, "Unauthorized")), time)


def test_cluster_without_stargate_raises_not_found(time: Time) -> None:
    with pytest.raises(NotFound, match="is Stargate installed there"):
        submit(answers(no(404, "the server could not find the requested resource")), time)


def test_unknown_namespace_raises_not_found(time: Time) -> None:
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


def test_check_reads_only_what_a_researcher_may_read(time: Time) -> None:
    server = catalog(3, listed(QUOTA))
    found = run_call(calls(time).check(wanted(3), None), server)
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


def test_check_of_a_manifest_uses_its_namespace(time: Time) -> None:
    server = catalog(3, listed())
    manifest = {
        "apiVersion": "stargate.dev/v1alpha1",
        "kind": "StargateJob",
        "metadata": {"namespace": "other"},
        "spec": SPEC,
    }
    found = run_call(calls(time).check(manifest, None), server)
    assert found.answer is Answer.NOT_NOW
    assert server.asked[-1] == "GET /api/v1/namespaces/other/resourcequotas"


def test_check_without_quota_rights_states_an_assumption(time: Time) -> None:
    server = catalog(3, no(403, "forbidden"))
    found = run_call(calls(time).check(wanted(3), None), server)
    assert found
    assert "you may not read the quotas of team" in found.assumptions[0]


def test_check_of_an_invalid_config_sends_nothing(time: Time) -> None:
    server = answers()
    with pytest.raises(InvalidConfig):
        run_call(calls(time).check({}, None), server)
    assert server.asked == []
