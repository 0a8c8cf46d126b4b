"""Calls of tools that go past the framework are answered as the framework answers them."""

from __future__ import annotations

import pytest

from quarterdeck.v1 import tools_pb2

CALL = "/api/v1/tenants/default/tools/s%2Ft/read%20all/call"
# The framework takes it as JSON; what is short takes only the plain one.
WAYS = ("application/json", "application/vnd.x+json")
Outcome = tools_pb2.ToolOutcome


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"arguments": {"n": 9007199254740993}, "timeoutSeconds": 3}', 200),
        (b"{}", 200),
        (b"", 200),
        (b"{", 400),
        (b'{"arguments": {"x": NaN}}', 400),
        (b'{"arguments": []}', 400),
        (b'{"timeoutSeconds": 4000}', 400),
        (b'{"unknown": 1}', 400),
        (b"null", 400),
    ],
)
async def test_both_ways_say_the_same(house, body, status):
    house.tools.answers["CallTool"] = Outcome(call_id="c", status=Outcome.STATUS_OK, result_json=b'{"a":1}')
    said = []
    for way in WAYS:
        response = await house.client.post(CALL, content=body, headers={"content-type": way})
        assert response.status_code == status, response.text
        said.append({k: v for k, v in response.json().items() if k != "requestId"})
    assert said[0] == said[1]
    asked = [one for one in house.tools.asked if isinstance(one, tools_pb2.CallToolRequest)]
    assert len(asked) == (2 if status == 200 else 0)
    for one in asked:
        assert (one.server, one.tool, one.tenant) == ("s/t", "read all", "default")
        assert (one.arguments_json, one.timeout_seconds) == (
            asked[0].arguments_json,
            asked[0].timeout_seconds,
        )


async def test_both_ways_refuse_and_count_alike(house):
    house.tools.answers["CallTool"] = Outcome(call_id="c", status=Outcome.STATUS_DENIED, message="no")
    for way in WAYS:
        response = await house.client.post(CALL, content=b"{}", headers={"content-type": way})
        assert (response.status_code, response.json()["reason"]) == (403, "PolicyDenied")
    metrics = house.platform.telemetry.registry
    labels = {
        "method": "POST",
        "status": "403",
        "route": "/api/v1/tenants/{tenant}/tools/{server}/{tool}/call",
    }
    assert metrics.get_sample_value("http_requests_total", labels) == 2
    stranger = await house.client.post(
        CALL, content=b"{}", headers={"content-type": WAYS[0], "authorization": "Bearer nobody"}
    )
    assert stranger.status_code == 401
