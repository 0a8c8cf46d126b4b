"""Server-sent events: order, resume, heartbeats, and nothing left behind."""

import asyncio
import json

import pytest

from quarterdeck.common.errors import Internal, InvalidArgument, NotFound, PermissionDenied, Unavailable
from quarterdeck.gateway.streams import frame
from quarterdeck.v1 import runs_pb2

T = "/api/v1/tenants/default"
SSE = {"Accept": "text/event-stream"}


def sse_tasks():
    return [task for task in asyncio.all_tasks() if task.get_name().startswith("sse-")]


def test_a_line_break_in_data_stays_in_the_event():
    assert frame(b'{"a":\n1}', event="x", id="3") == b'id: 3\nevent: x\ndata: {"a":\ndata: 1}\n\n'


async def test_the_journal_then_live(house):
    house.runtime.answers["StreamRunEvents"] = [
        house.event(1, "run.started", b'{"a":1}'),
        house.event(0, "model.delta", b'{"text":"x"}'),
        house.event(2, "run.succeeded"),
    ]
    response = await house.client.get(f"{T}/runs/r1/events?until=waiting", headers=SSE)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert "content-length" not in response.headers
    found = house.frames(response.text)
    assert [(f.get("id"), f["event"]) for f in found] == [
        ("1", "run.started"), (None, "model.delta"), ("2", "run.succeeded"),
    ]  # fmt: skip
    assert json.loads(found[0]["data"]) == {
        "runId": "r1", "seq": 1, "type": "run.started", "at": "2025-03-01T09:00:00.000Z", "data": {"a": 1},
    }  # fmt: skip
    assert house.runtime.last(runs_pb2.StreamRunEventsRequest).until_waiting


async def test_it_resumes_by_the_last_event_id(house):
    house.runtime.answers["StreamRunEvents"] = [house.event(8, "run.succeeded")]
    await house.client.get(f"{T}/runs/r1/events?afterSeq=2", headers={**SSE, "Last-Event-ID": "7"})
    assert house.runtime.last(runs_pb2.StreamRunEventsRequest).after_seq == 7
    await house.client.get(f"{T}/runs/r1/events?afterSeq=2", headers=SSE)
    assert house.runtime.last(runs_pb2.StreamRunEventsRequest).after_seq == 2


@pytest.mark.parametrize("path", ["runs/r1/events", "runs/r1/ag-ui"])
@pytest.mark.parametrize(
    "text", ["seven", "-1", "1e3", "\u0663".encode(), str(2**63), "9" * 5000, f"{2**63}.1", "1.2.3"]
)
async def test_what_is_no_position_is_refused_by_name(house, path, text):
    house.runtime.answers["StreamRunEvents"] = []
    response = await house.client.get(f"{T}/{path}", headers={**SSE, "Last-Event-ID": text})
    assert (response.status_code, response.json()["field"]) == (400, "Last-Event-ID")


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_a_sequence_is_a_number_of_64_bits(house, accept):
    house.runtime.answers["ListRunEvents"] = runs_pb2.ListRunEventsResponse()
    house.runtime.answers["StreamRunEvents"] = []
    for wrong in (2**63, 10**30, -1):
        response = await house.client.get(f"{T}/runs/r1/events?afterSeq={wrong}", headers={"Accept": accept})
        assert (response.status_code, response.json()["field"]) == (400, "afterSeq")
    largest = 2**63 - 1
    headers = {"Accept": accept, "Last-Event-ID": str(largest)}
    response = await house.client.get(f"{T}/runs/r1/events?afterSeq={largest}", headers=headers)
    assert response.status_code == 200
    assert house.runtime.asked[-1].after_seq == largest


async def test_a_fork_is_before_a_sequence_of_64_bits(house):
    response = await house.client.post(f"{T}/runs/r1/fork", json={"beforeSeq": 2**63})
    assert (response.status_code, response.json()["field"]) == (400, "beforeSeq")


async def test_an_error_before_the_first_event_has_its_own_status(house):
    house.runtime.answers["StreamRunEvents"] = NotFound("no run r1")
    response = await house.client.get(f"{T}/runs/r1/events", headers=SSE)
    assert (response.status_code, response.json()["detail"]) == (404, "no run r1")
    assert not sse_tasks()


async def test_an_error_half_way_ends_the_stream_with_a_problem(house):
    house.runtime.answers["StreamRunEvents"] = [
        house.event(1, "run.started"),
        InvalidArgument("broken", hint="mend it"),
    ]
    response = await house.client.get(f"{T}/runs/r1/events", headers=SSE)
    last = house.frames(response.text)[-1]
    assert (last["event"], json.loads(last["data"])["hint"]) == ("error", "mend it")


async def slow(house, release):
    yield house.event(1, "run.started")
    await release.wait()
    yield house.event(2, "run.succeeded")


async def test_heartbeats_fill_the_silence(house):
    release = asyncio.Event()
    house.runtime.answers["StreamRunEvents"] = lambda request: slow(house, release)
    async with house.client.stream("GET", f"{T}/runs/r1/events", headers=SSE) as response:
        text = ""
        async for part in response.aiter_text():
            text += part
            if text.count(": heartbeat\n\n") >= 2:
                release.set()
    assert [f["id"] for f in house.frames(text)] == ["1", "2"]


def takes_away(house, error):
    """Every later question about the principal is answered with an error; returns how many came."""
    asked = []

    async def authorize(*question):
        asked.append(question)
        raise error

    house.platform.authorizer.authorize = authorize
    return asked


@pytest.mark.parametrize("path", ["runs/r1/events", "runs/r1/ag-ui"])
async def test_a_reader_that_loses_its_right_is_told_and_reads_no_further(house, path):
    release = asyncio.Event()
    house.runtime.answers["StreamRunEvents"] = lambda request: slow(house, release)
    text = ""
    async with house.client.stream("GET", f"{T}/{path}", headers=SSE) as response:
        takes_away(house, PermissionDenied("local:admin may not watch runs", hint="ask"))
        async for part in response.aiter_text():
            text += part
    last = house.frames(text)[-1]
    problem = json.loads(last["data"])
    assert (last["event"], problem["status"], problem["reason"]) == ("error", 403, "AccessEnded")
    assert "may not watch runs" in problem["detail"] and problem["hint"] == "ask"
    await house.eventually(lambda: house.runtime.streams_open == 0)
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "standing"]


async def test_a_question_that_nobody_answers_ends_no_stream(house):
    release = asyncio.Event()
    house.runtime.answers["StreamRunEvents"] = lambda request: slow(house, release)
    async with house.client.stream("GET", f"{T}/runs/r1/events", headers=SSE) as response:
        asked = takes_away(house, Unavailable("nobody is there"))
        text = ""
        async for part in response.aiter_text():
            text += part
            if len(asked) >= 2:
                release.set()
    assert [f["id"] for f in house.frames(text)] == ["1", "2"]


async def test_a_client_that_leaves_leaves_nothing_behind(house):
    release = asyncio.Event()
    house.runtime.answers["StreamRunEvents"] = lambda request: slow(house, release)
    for _ in range(3):
        async with house.client.stream("GET", f"{T}/runs/r1/events", headers=SSE) as response:
            async for _part in response.aiter_text():
                break
            assert house.runtime.streams_open == 1
        await house.eventually(lambda: house.runtime.streams_open == 0)
        await house.eventually(lambda: not sse_tasks())


async def test_a_client_that_reads_slowly_holds_the_service_up_and_not_our_memory(house):
    sent = 0

    async def flood():
        nonlocal sent
        for seq in range(1, 4000):
            sent += 1
            yield house.event(seq, "step.started", b'"' + b"x" * 30_000 + b'"')

    house.runtime.answers["StreamRunEvents"] = lambda request: flood()
    async with house.client.stream("GET", f"{T}/runs/r1/events", headers=SSE):
        await asyncio.sleep(0.7)
        assert sent < 2000
    await house.eventually(lambda: house.runtime.streams_open == 0)


async def test_streams_end_when_the_service_stops(house):
    release = asyncio.Event()
    house.runtime.answers["StreamRunEvents"] = lambda request: slow(house, release)
    async with house.client.stream("GET", f"{T}/runs/r1/events", headers=SSE) as response:
        parts = response.aiter_text()
        await anext(parts)
        house.gateway._parts.closing.set()
        async with asyncio.timeout(2):
            async for _ in parts:
                pass
    await house.eventually(lambda: house.runtime.streams_open == 0)


async def test_a_fault_of_ours_half_way_is_told_too(house, monkeypatch):
    house.runtime.answers["StreamRunEvents"] = [house.event(1, "run.started"), house.event(2, "run.failed")]
    real = __import__("quarterdeck.gateway.translate.runs", fromlist=["x"]).event_frame

    def broken(event):
        return real(event) if event.seq == 1 else 1 / 0

    monkeypatch.setattr("quarterdeck.gateway.translate.runs.event_frame", broken)
    response = await house.client.get(f"{T}/runs/r1/events", headers=SSE)
    assert json.loads(house.frames(response.text)[-1]["data"])["reason"] == Internal.__name__
    assert "division" not in response.text
