"""`Idempotency-Key`: once is once."""

import asyncio

import pytest

from quarterdeck.common.errors import Unavailable
from quarterdeck.v1 import memory_pb2, models_pb2, runs_pb2, tools_pb2

T = "/api/v1/tenants/default"
KEY = {"Idempotency-Key": "k-1"}
CALL = f"{T}/tools/s/t/call"


@pytest.fixture
def tools(house):
    house.tools.answers["CallTool"] = lambda request: tools_pb2.ToolOutcome(
        call_id=request.call_id, status=tools_pb2.ToolOutcome.STATUS_OK, result_json=b"1"
    )
    return house.tools


async def test_a_repeat_gets_the_first_answer(house, tools):
    first = await house.client.post(CALL, json={"arguments": {"x": 1}}, headers=KEY)
    again = await house.client.post(CALL, json={"arguments": {"x": 1}}, headers=KEY)
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["content-type"] == "application/json"
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert tools.count(tools_pb2.CallToolRequest) == 1


@pytest.mark.parametrize(
    "other", [(CALL, {"arguments": {"x": 2}}), (f"{T}/tools/s/u/call", {"arguments": {"x": 1}})]
)
async def test_another_request_under_the_key_is_refused(house, tools, other):
    await house.client.post(CALL, json={"arguments": {"x": 1}}, headers=KEY)
    response = await house.client.post(other[0], json=other[1], headers=KEY)
    assert response.status_code == 422
    assert response.json()["reason"] == "IdempotencyKeyReused"
    assert tools.count(tools_pb2.CallToolRequest) == 1


async def test_an_error_frees_the_key_and_the_effect_keeps_its_id(house, tools):
    answers = tools.answers["CallTool"]
    tools.answers["CallTool"] = Unavailable("away")
    assert (await house.client.post(CALL, json={}, headers=KEY)).status_code == 503
    tools.answers["CallTool"] = answers
    assert (await house.client.post(CALL, json={}, headers=KEY)).status_code == 200
    ids = [request.call_id for request in tools.asked]
    assert len(ids) == 2 and ids[0] == ids[1]


async def test_two_at_once_are_one(house, tools):
    began, release = asyncio.Event(), asyncio.Event()

    async def wait(request):
        began.set()
        await release.wait()
        return tools_pb2.ToolOutcome(status=tools_pb2.ToolOutcome.STATUS_OK)

    tools.answers["CallTool"] = wait
    first = asyncio.create_task(house.client.post(CALL, json={}, headers=KEY))
    await began.wait()
    second = await house.client.post(CALL, json={}, headers=KEY)
    assert (second.status_code, second.json()["reason"]) == (409, "InFlight")
    assert second.headers["retry-after"] == "1"
    release.set()
    assert (await first).status_code == 200
    assert (await house.client.post(CALL, json={}, headers=KEY)).headers["idempotency-replayed"] == "true"


async def test_without_a_key_twice_is_twice(house, tools):
    for _ in range(2):
        await house.client.post(CALL, json={})
    assert tools.count(tools_pb2.CallToolRequest) == 2


async def test_keys_belong_to_a_tenant(house, tools):
    from quarterdeck.v1 import resources_pb2

    house.registry.answers["GetTenant"] = lambda request: resources_pb2.TenantRecord(
        name=request.tenant, id=f"id-of-{request.tenant}"
    )
    await house.client.post(CALL, json={}, headers=KEY)
    await house.client.post(CALL.replace("default", "acme"), json={}, headers=KEY)
    assert [request.tenant for request in tools.asked] == ["default", "acme"]


async def test_what_is_kept_lies_under_the_tenants_uuid(house, tools):
    await house.client.post(CALL, json={}, headers=KEY)
    redis = await house.platform.cache._redis()
    keys = await redis.keys("*")
    assert keys and all(
        key.startswith(b"qd:0199d7c2-6d0e-7c41-9f0a-000000000001:idempotency:") for key in keys
    )
    assert not any(b"k-1" in key for key in keys)


async def test_a_stream_is_repeated_too(house):
    house.models.answers["GenerateModel"] = [
        models_pb2.GenerateModelResponse(text_delta="Hi"),
        models_pb2.GenerateModelResponse(response_json=b"{}"),
    ]
    headers = {**KEY, "Accept": "text/event-stream"}
    wish = {"messages": [{"role": "user"}]}
    first = await house.client.post(f"{T}/models/m/generate", json=wish, headers=headers)
    again = await house.client.post(f"{T}/models/m/generate", json=wish, headers=headers)
    assert first.text == again.text and "delta" in again.text
    assert house.models.count(models_pb2.GenerateModelRequest) == 1


async def test_a_response_too_large_to_keep_is_not_made_twice(house, monkeypatch):
    monkeypatch.setattr("quarterdeck.gateway.middleware.idempotency.KEPT_RESPONSE_BYTES", 10)
    house.memory.answers["SaveMemory"] = memory_pb2.SaveMemoryResponse(ids=["a" * 40])
    body = {"items": [{"text": "t"}]}
    assert (await house.client.post(f"{T}/memories/m", json=body, headers=KEY)).status_code == 200
    response = await house.client.post(f"{T}/memories/m", json=body, headers=KEY)
    assert (response.status_code, response.json()["reason"]) == (409, "ResponseNotKept")
    assert house.memory.count(memory_pb2.SaveMemoryRequest) == 1


@pytest.mark.parametrize("path", [CALL, f"{T}/runs"])
async def test_a_key_has_bounds(house, path):
    body = {"kind": "Agent", "name": "a"} if path.endswith("runs") else {}
    response = await house.client.post(path, json=body, headers={"Idempotency-Key": "k" * 256})
    assert (response.status_code, response.json()["field"]) == (400, "Idempotency-Key")


@pytest.fixture
def no_cache(monkeypatch):
    """A Redis that is away, for the platforms that are opened after this."""
    monkeypatch.setenv("QD_CACHE_URL", "redis://127.0.0.1:1/0")


async def test_without_a_cache_a_repeat_is_the_same_effect(no_cache, house, tools):
    house.runtime.answers["PublishEvent"] = lambda _: runs_pb2.PublishEventResponse(matched=1)
    house.memory.answers["SaveMemory"] = lambda _: memory_pb2.SaveMemoryResponse(ids=["i"])
    event = {"specversion": "1.0", "id": "e-1", "type": "paid", "source": "bank", "data": {}}
    for _ in range(2):
        assert (await house.client.post(CALL, json={}, headers=KEY)).status_code == 200
        assert (await house.client.post(f"{T}/events", json=event, headers=KEY)).status_code == 202
        saved = await house.client.post(f"{T}/memories/m", json={"items": [{"text": "t"}]}, headers=KEY)
        assert saved.status_code == 200
    calls = {request.call_id for request in tools.asked}
    events = {request.event_id for request in house.runtime.asked if hasattr(request, "event_id")}
    items = {request.items[0].id for request in house.memory.asked}
    assert all(len(ids) == 1 and all(ids) for ids in (calls, events, items))


async def test_without_a_cache_two_at_once_are_still_one_here(no_cache, house, tools):
    began, release = asyncio.Event(), asyncio.Event()

    async def wait(request):
        began.set()
        await release.wait()
        return tools_pb2.ToolOutcome(status=tools_pb2.ToolOutcome.STATUS_OK)

    tools.answers["CallTool"] = wait
    first = asyncio.create_task(house.client.post(CALL, json={}, headers=KEY))
    await began.wait()
    assert (await house.client.post(CALL, json={}, headers=KEY)).json()["reason"] == "InFlight"
    release.set()
    assert (await first).status_code == 200
