"""Every error is problem+json, names the field and says what to do."""

import asyncio

import pytest

from quarterdeck.common.errors import (
    Conflict,
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    ResourceExhausted,
)
from quarterdeck.gateway.problems import field_path, invalid_request, problem

T = "/api/v1/tenants/default"


def problem_of(response, status):
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == status
    assert body["type"].startswith("urn:quarterdeck:problem:")
    assert body["title"] and body["detail"] and body["requestId"] == response.headers["x-request-id"]
    return body


async def test_unknown_path(house):
    body = problem_of(await house.client.get("/api/v1/nothing?x=1"), 404)
    assert body["instance"] == "/api/v1/nothing"
    assert "/docs" in body["hint"]


async def test_unknown_kind_names_the_known_ones(house):
    body = problem_of(await house.client.get(f"{T}/workflow"), 404)
    assert "workflows" in body["hint"]


async def test_wrong_method_names_the_right_ones(house):
    response = await house.client.patch(f"{T}/runs")
    body = problem_of(response, 405)
    assert body["reason"] == "MethodNotAllowed"
    assert (response.headers["allow"], body["hint"]) == ("GET, POST", "use GET or POST")


async def test_validation_names_every_field(house):
    wrong = {"items": [{"text": 1}, {"text": "a", "colour": "red"}]}
    body = problem_of(await house.client.post(f"{T}/memories/m", json=wrong), 400)
    assert body["field"] == "items[0].text"
    assert [v["field"] for v in body["violations"]] == ["items[0].text", "items[1].colour"]
    assert body["violations"][1]["message"] == "unknown field"


async def test_query_and_missing_fields(house):
    assert problem_of(await house.client.get(f"{T}/runs?limit=0"), 400)["field"] == "limit"
    body = problem_of(await house.client.post(f"{T}/runs", json={"name": "x"}), 400)
    assert (body["field"], body["hint"]) == ("kind", "add the field")
    body = problem_of(await house.client.get(f"{T}/runs?state=running,happy"), 400)
    assert body["field"] == "state" and "timed-out" in body["hint"]


@pytest.mark.parametrize(
    ("body", "position"),
    [
        (b'{"kind": ', 9),
        (b"\xff\xfe", 1),
        (b"{'kind': 1}", 2),
        (b'{"kind": "Workflow"}}', 21),
        (b'{"kind": "Agent", "name": "a", "input": NaN}', 41),
        (b'{"kind": "Agent", "name": "a",\n"input": "\\ud800"}', 48),
        (b'{"\\udc00": 1}', 8),
        (b'{"input": ' + b"[" * 300 + b"]" * 300 + b"}", 211),
    ],
)
async def test_invalid_json(house, body, position):
    headers = {"Content-Type": "application/json"}
    found = problem_of(await house.client.post(f"{T}/runs", content=body, headers=headers), 400)
    assert found["reason"] == "InvalidJson"
    assert found["detail"].endswith(f"at position {position}")


@pytest.mark.parametrize("body", ["[]", "7", "null", '"text"'])
async def test_a_body_must_be_an_object(house, body):
    found = problem_of(
        await house.client.post(f"{T}/runs", content=body, headers={"Content-Type": "application/json"}), 400
    )
    assert "JSON" in found["detail"]


async def test_a_body_over_the_limit_is_refused_before_it_is_read(house):
    response = await house.client.post(f"{T}/runs", content=b"x" * (64 * 1024 + 1))
    body = problem_of(response, 413)
    assert "65536 bytes" in body["detail"]
    assert "QD_GATEWAY_MAX_BODY_BYTES" in body["hint"]


@pytest.mark.parametrize("path", ["runs", "workflows", "agents/a/ag-ui", "memories/m/search"])
async def test_an_unannounced_body_is_refused_while_it_is_read(house, path):
    async def large():
        for _ in range(200):
            yield b" " * 16_384

    headers = {"Content-Type": "application/json", "Idempotency-Key": "k"}
    response = await house.client.post(f"{T}/{path}", content=large(), headers=headers)
    assert problem_of(response, 413)["reason"] == "BodyTooLarge"


async def test_the_refusal_comes_before_the_body_ends(house):
    reader, writer = await asyncio.open_connection("127.0.0.1", house.gateway.http_port)
    head = f"POST {T}/runs HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {house.token}\r\n"
    writer.write(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
    writer.write(b"%x\r\n" % 100_000 + b" " * 100_000 + b"\r\n")
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n"), 2)
    assert answer.startswith(b"HTTP/1.1 413")
    writer.close()


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotFound("no run", field="run_id", hint="list them"), 404),
        (Conflict("changed", retry_after=1.2), 409),
        (FailedPrecondition("not now"), 412),
        (ResourceExhausted("too many", retry_after=3), 429),
        (DeadlineExceeded("slow"), 504),
        (Conflict("gone", reason="ResourceVersionTooOld"), 410),
    ],
)
async def test_errors_of_services_keep_their_details(house, error, status):
    house.runtime.answers["GetRun"] = error
    response = await house.client.get(f"{T}/runs/x")
    body = problem_of(response, status)
    assert body["detail"] == error.message
    assert body.get("field", "") == error.field and body.get("hint", "") == error.hint
    if error.retry_after:
        assert int(response.headers["retry-after"]) >= error.retry_after


async def test_violations_of_services_are_listed(house):
    house.runtime.answers["StartRun"] = InvalidArgument(
        "two things", violations=[("input.month", "required"), ("input.year", "not a number")]
    )
    body = problem_of(await house.client.post(f"{T}/runs", json={"kind": "Agent", "name": "a"}), 400)
    assert body["violations"][1] == {"field": "input.year", "message": "not a number"}


async def test_a_fault_of_a_service_shows_nothing_of_its_inside(house):
    house.runtime.answers["GetRun"] = RuntimeError("a secret detail")
    response = await house.client.get(f"{T}/runs/x")
    assert problem_of(response, 500)
    assert "secret" not in response.text


async def test_our_own_fault_shows_nothing_either(house, monkeypatch):
    monkeypatch.setattr("quarterdeck.gateway.translate.runs.run", lambda message: 1 / 0)
    house.runtime.answers["GetRun"] = house.run()
    response = await house.client.get(f"{T}/runs/x")
    assert problem_of(response, 500)
    assert "division" not in response.text


async def test_a_service_that_is_away_is_named(house):
    peer = house.platform.peer("memory")
    await peer.close()
    house.platform._peers["memory"] = type(peer)("memory", "unix:/nonexistent.sock", house.platform.identity)
    response = await house.client.get(f"{T}/memories/m")
    body = problem_of(response, 503)
    assert body["detail"] == "the service memory does not answer"
    assert "nonexistent" not in response.text
    assert response.headers["retry-after"] == "1"


async def test_a_slow_service_is_a_time_out(house, monkeypatch):
    monkeypatch.setattr("quarterdeck.gateway.upstream.DEFAULT_TIMEOUT", 0.05)
    house.tools.answers["CallTool"] = lambda request: asyncio.sleep(5)
    monkeypatch.setattr("quarterdeck.gateway.routes.tools.CALL_MARGIN", 0.0)
    response = await house.client.post(f"{T}/tools/s/t/call", json={"timeoutSeconds": 0.05})
    assert problem_of(response, 504)["reason"] == "DeadlineExceeded"


def test_paths_of_fields():
    assert field_path(("items", 0, "text")) == "items[0].text"
    assert field_path((0, "a")) == "[0].a"
    assert field_path(()) == ""


def test_titles_and_types_follow_the_reason():
    found = problem(NotFound("x", reason="InvalidJSONDocument"))
    assert found["type"] == "urn:quarterdeck:problem:invalid-json-document"
    assert found["title"] == "Invalid json document"
    assert "field" not in found


def test_rules_of_validators_are_told_without_their_prefix():
    error = {"type": "value_error", "loc": ("body", "when"), "msg": "Value error, no time zone"}
    assert invalid_request([error]).message == "when: no time zone"
