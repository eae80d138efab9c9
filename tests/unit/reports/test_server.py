import asyncio
import json
import logging
import ssl
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from stargate_kit.report_fakes import FOLDER, JOB, checkpoint, pod, token, view
from stargate_operator.kube.errors import ApiError
from stargate_operator.model.scope import Scope
from stargate_operator.reports import listener
from stargate_operator.telemetry import metrics
from tests.unit.reports.serving import PATH, Site

URI = f"{FOLDER}/epoch-5"
COMPLETE = {"checkpoint": {"epoch": 5, "uri": URI, "state": "Complete", "sizeBytes": 9}}
STOOD = {"epoch": 5, "uri": URI, "state": "Complete"}


def other(state: str) -> dict[str, object]:
    return {"checkpoint": {"epoch": 5, "uri": URI, "state": state}}


async def test_progress_is_taken_at_once(site: Site) -> None:
    said = await site.report({"epoch": 3, "step": 7, "metrics": [{"name": "loss", "value": 0.5}]})
    assert said.code == 200
    assert said.body == {"attempt": 1, "nextReportSeconds": 1.0, "stop": False, "delete": []}
    progress = site.lookup.pending.of("job-uid").progress
    assert progress is not None
    assert (progress.epoch, progress.step, progress.metrics) == (3, 7, (("loss", 0.5),))
    assert not site.lookup.woken


async def test_report_of_other_rank_is_sign_of_life(site: Site) -> None:
    said = await site.report({"epoch": 3, "step": 7}, rank=2)
    assert 5 <= said.body["nextReportSeconds"] <= 15
    assert site.lookup.pending.of("job-uid").progress is None
    assert site.lookup.pending.of("job-uid").heartbeats.steps([2]) == (7, 7)


async def test_complete_checkpoint_is_acknowledged_when_written(site: Site) -> None:
    said = await site.report(COMPLETE)
    assert (said.code, said.body["acknowledged"]) == (200, STOOD)
    assert site.lookup.woken == ["job-uid"]
    assert site.lookup.job is not None
    assert site.lookup.job.has(checkpoint(5, uri=URI).key)


async def test_repeated_written_checkpoint_is_acknowledged_at_once(site: Site) -> None:
    site.lookup.job = view(checkpoint(5, uri=URI))
    said = await site.report(COMPLETE)
    assert said.body["acknowledged"] == STOOD
    assert not site.lookup.woken


async def test_checkpoint_not_written_is_not_acknowledged(site: Site) -> None:
    site.lookup.stuck = True
    said = await site.report(COMPLETE)
    assert (said.code, said.reason) == (503, "ServiceUnavailable")
    assert said.headers["Retry-After"] == "1"
    assert "acknowledged" not in said.body
    site.lookup.stuck = False
    assert (await site.report(COMPLETE)).body["acknowledged"] == STOOD


async def test_attempt_that_ends_meanwhile_gets_a_conflict(site: Site) -> None:
    site.lookup.stuck = True
    waiting = asyncio.create_task(site.report(COMPLETE))
    await asyncio.sleep(0.1)
    site.lookup.job = view(attempt=2)
    assert (await waiting).reason == "StaleAttempt"


async def test_writing_is_noted_and_not_acknowledged(site: Site) -> None:
    said = await site.report(other("Writing"))
    assert said.code == 200
    assert "acknowledged" not in said.body


async def test_any_rank_reports_damage_of_a_written_checkpoint(site: Site) -> None:
    site.lookup.job = view(checkpoint(5, uri=URI))
    said = await site.report(other("Damaged"), rank=3)
    assert said.body["acknowledged"] == STOOD | {"state": "Damaged"}


@pytest.mark.parametrize(
    ("step", "code"),
    [({}, 200), ({"step": 300}, 200), ({"step": 301}, 400)],
    ids=["an epoch alone", "its own step", "another step"],
)
async def test_damage_names_the_position_or_its_epoch(
    site: Site, step: dict[str, int], code: int
) -> None:
    site.lookup.job = view(checkpoint(5, step=300, uri=URI))
    body = {"checkpoint": {"epoch": 5, "uri": URI, "state": "Damaged"} | step}
    assert (await site.report(body, rank=3)).code == code


async def test_acknowledgement_has_the_step(site: Site) -> None:
    saved = {"epoch": 0, "step": 300, "uri": f"{FOLDER}/step-300", "state": "Complete"}
    assert (await site.report({"checkpoint": saved})).body["acknowledged"] == saved


async def test_total_steps_are_those_of_rank_0(site: Site) -> None:
    await site.report({"step": 3, "totalSteps": 900})
    await site.report({"step": 3, "totalSteps": 7}, rank=2)
    told = site.lookup.pending.of("job-uid").progress
    assert told is not None
    assert (told.step, told.total_steps) == (3, 900)


async def test_damage_of_an_unknown_checkpoint_is_refused(site: Site) -> None:
    said = await site.report(other("Damaged"), rank=3)
    assert (said.code, said.reason) == (400, "Invalid")
    assert said.body["details"]["causes"][0]["field"] == "checkpoint.uri"


async def test_other_rank_cannot_report_a_complete_checkpoint(site: Site) -> None:
    assert (await site.report(COMPLETE, rank=1)).code == 403


async def test_only_rank_0_gets_checkpoints_to_delete(site: Site) -> None:
    site.lookup.job = view(stop=True)
    site.lookup.expire(checkpoint(5, uri="s3://old"))
    said = [(await site.report(rank=rank)).body for rank in (0, 1)]
    assert [body["delete"] for body in said] == [["s3://old"], []]
    assert [body["stop"] for body in said] == [True, True]


async def test_last_checkpoint_of_an_evicted_rank_counts(site: Site) -> None:
    site.lookup.with_pods(pod(0, deleting=True))
    assert (await site.report(COMPLETE)).body["acknowledged"] == STOOD


async def test_standby_takes_no_reports(site: Site) -> None:
    site.lookup.leads = False
    said = await site.report()
    assert (said.code, said.body["details"]["retryAfterSeconds"]) == (503, 1)


async def test_leader_that_loses_its_lease_takes_no_report(site: Site) -> None:
    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"epoch":'
        await asyncio.sleep(0.2)
        site.lookup.leads = False
        yield b"7}"

    bearer = f"Bearer {token(pod().uid)}"
    headers = {"Authorization": bearer, "Content-Type": "application/json"}
    assert (await site.send(data=slowly(), headers=headers)).code == 503
    assert site.lookup.pending.of(JOB).progress is None


async def test_job_in_an_unwatched_namespace_goes_on(site: Site) -> None:
    site.lookup.scope = Scope(("somewhere-else",))
    answer = await site.report()
    assert answer.code == 503, "anything else would end a gang that trains"
    assert "runs no jobs of namespace 'train'" in answer.body["message"]
    assert answer.headers["Retry-After"] == "30"


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Basic eDp5"])
async def test_report_without_a_token_is_refused(site: Site, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    said = await site.report(headers=headers)
    assert (said.code, said.headers["WWW-Authenticate"]) == (401, "Bearer")


async def test_a_bad_token_is_refused_and_never_logged(
    site: Site, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    said = await site.report(headers={"Authorization": "Bearer s3cret-token"})
    assert said.code == 401
    site.reviewer.trouble = ApiError(500, "InternalError", "s3cret-token")
    assert (await site.report(headers={"Authorization": "Bearer s3cret-other"})).code == 503
    shown = capsys.readouterr()
    assert "s3cret" not in caplog.text + shown.out + shown.err + json.dumps(said.body)


async def test_unknown_pod_must_report_again(site: Site) -> None:
    site.lookup.pods.clear()
    said = await site.report()
    assert (said.code, said.headers["Retry-After"]) == (503, "1")


@pytest.mark.parametrize("asked", [{"name": "other"}, {"namespace": "other"}])
async def test_report_for_another_job_is_refused(site: Site, asked: dict[str, Any]) -> None:
    said = await site.report(**asked)
    assert said.code == 403
    assert "job-uid" not in said.body["message"]


async def test_report_for_a_deleted_job_is_refused(site: Site) -> None:
    site.lookup.job = None
    assert (await site.report()).reason == "NotFound"


async def test_an_old_attempt_is_refused(site: Site) -> None:
    site.lookup.job = view(attempt=2)
    said = await site.report(COMPLETE)
    assert (said.code, said.reason) == (409, "StaleAttempt")
    assert not site.lookup.pending.of("job-uid").checkpoints


async def test_report_of_a_future_attempt_must_come_again(site: Site) -> None:
    site.lookup.with_pods(pod(0, attempt=2))
    assert (await site.report(attempt=2)).code == 503


async def test_bad_values_name_their_field(site: Site) -> None:
    said = await site.report({"epoch": 101})
    assert (said.code, said.reason) == (400, "Invalid")
    assert "100 epochs" in said.body["message"]


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"method": "GET"}, 405),
        ({"method": "PUT"}, 405),
        ({"path": "/"}, 404),
        ({"path": PATH.format("train", "materia") + "/x"}, 404),
        ({"data": b"{}", "json": None, "headers": {"Content-Type": "text/plain"}}, 415),
        ({"data": b"x" * 65537, "json": None}, 413),
    ],
)
async def test_body_that_is_no_report_is_refused(
    site: Site, request_: dict[str, Any], code: int
) -> None:
    authorized = {
        "Authorization": f"Bearer {token('pod-1-0')}",
        "Content-Type": "application/json",
    }
    headers = authorized | request_.pop("headers", {})
    said = await site.report(headers=headers, **request_)
    assert (said.code, said.body["kind"]) == (code, "Status")


async def test_a_body_without_end_is_cut_off(site: Site) -> None:
    async def endless() -> object:
        for _ in range(100):
            yield b" " * 4096

    headers = {
        "Authorization": f"Bearer {token('pod-1-0')}",
        "Content-Type": "application/json",
    }
    assert (await site.report(headers=headers, json=None, data=endless())).code == 413


async def test_compressed_bodies_are_not_unpacked(site: Site) -> None:
    headers = {"Authorization": f"Bearer {token('pod-1-0')}", "Content-Encoding": "gzip"}
    assert (await site.report(headers=headers)).code == 415


async def test_curl_is_invited_to_send_its_body(site: Site) -> None:
    assert (await site.report({"step": 1}, expect100=True)).code == 200


async def test_internal_error_is_a_status(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site.lookup, "view", lambda _: 1 / 0)
    assert (await site.report()).reason == "InternalError"


async def test_reports_are_counted_by_code(site: Site) -> None:
    before = metrics.value("stargate_reports_total", {"code": "200"})
    await site.report()
    assert metrics.value("stargate_reports_total", {"code": "200"}) == before + 1


async def raw(site: Site, sent: bytes, *, tls: bool = True) -> bytes:
    reader, writer = await asyncio.open_connection(
        "localhost", site.server.port, ssl=site.trust if tls else None
    )
    writer.write(sent)
    try:
        return await asyncio.wait_for(reader.read(), 5)
    except (ConnectionError, ssl.SSLError):
        return b""
    finally:
        writer.close()


async def test_garbage_gets_a_status(site: Site) -> None:
    answer = await raw(site, b"GARBAGE\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400") or answer.startswith(b"HTTP/1.0 400")
    assert b'"kind":"Status"' in answer


async def test_a_slow_body_is_not_waited_for(impatient: Site) -> None:
    head = f"POST {PATH.format('train', 'materia')} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n"
    auth = f"Authorization: Bearer {token('pod-1-0')}\r\nContent-Type: application/json\r\n\r\n"
    answer = await raw(impatient, (head + auth).encode())
    assert b"408" in answer.split(b"\r\n")[0]


async def test_slow_headers_are_not_waited_for(impatient: Site) -> None:
    assert await raw(impatient, b"POST / HTTP/1.1\r\nHost:") == b""


async def test_connection_without_handshake_is_closed(impatient: Site) -> None:
    assert await raw(impatient, b"", tls=False) == b""
    await settled(impatient)


async def test_silent_connections_block_others_only_briefly(impatient: Site) -> None:
    silent = [await asyncio.open_connection("localhost", impatient.server.port) for _ in range(9)]
    assert (await asyncio.wait_for(impatient.report(), 5)).code == 200
    assert impatient.server.connections <= 3
    for _, writer in silent:
        writer.close()
    await settled(impatient)


async def test_connections_per_address_are_limited(
    crowded: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "_LOOPBACK", ())
    held = [await asyncio.open_connection("localhost", crowded.server.port) for _ in range(2)]
    assert await raw(crowded, b"", tls=False) == b""
    assert crowded.server.connections == 2
    held[0][1].close()
    held[1][1].close()
    await settled(crowded)
    assert (await crowded.report()).code == 200


async def test_every_slot_is_given_back(site: Site) -> None:
    assert site.server.problem() is None
    await asyncio.gather(*(site.report(rank=rank) for rank in [0, 1, 2, 3] * 10))
    await settled(site)


async def settled(site: Site) -> None:
    async with asyncio.timeout(5):
        while site.server.connections:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_old_tls_is_refused(site: Site) -> None:
    old = site.trust
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError):
        await asyncio.open_connection("localhost", site.server.port, ssl=old)


async def test_close_ends_open_connections(impatient: Site) -> None:
    _, writer = await asyncio.open_connection("localhost", impatient.server.port)
    await asyncio.wait_for(impatient.server.close(), 3)
    assert impatient.server.connections == 0
    assert impatient.server.problem() == "the report server accepts no connections"
    writer.close()


async def test_worker_of_given_up_pod_gets_conflict(
    site: Site,
) -> None:
    """It may run on behind a cut, with a token that was reviewed before."""
    assert (await site.report({"epoch": 3})).code == 200
    site.lookup.deleted.add(next(iter(site.lookup.pods)))
    site.lookup.pods.clear()
    said = await site.report({"epoch": 4})
    assert (said.code, said.reason) == (409, "StaleAttempt")


async def test_rank_beyond_the_gang_is_refused(site: Site) -> None:
    site.lookup.with_pods(pod(4))
    said = await site.report({"step": 1}, rank=4)
    assert said.code == 403
    assert "ranks 0 to 3" in said.body["message"]


@pytest.mark.parametrize(
    "forged",
    [{"namespace": "elsewhere"}, {"job_name": "other"}, {"owner_uid": ""}, {"owner_uid": "other"}],
    ids=str,
)
async def test_pod_not_owned_by_the_job_is_refused(site: Site, forged: dict[str, str]) -> None:
    """Labels and owner references are anybody's to write, in any namespace."""
    claims = msgspec.structs.replace(pod(), uid="forged", **forged)
    site.lookup.with_pods(claims)
    said = await site.report(
        {"epoch": 99},
        headers={"Authorization": f"Bearer {token('forged')}"},
        namespace=claims.namespace,
        name=claims.job_name,
    )
    assert said.code == 404
    assert not site.lookup.progress
