"""Runs, approvals, tools, memory, models, artifacts and events over REST."""

import json

import pytest

from quarterdeck.common.errors import NotFound
from quarterdeck.v1 import approvals_pb2, memory_pb2, models_pb2, runs_pb2, tools_pb2

T = "/api/v1/tenants/default"
Outcome = tools_pb2.ToolOutcome


async def test_start(house):
    house.runtime.answers["StartRun"] = house.run(state=runs_pb2.RUN_STATE_PENDING)
    body = {
        "kind": "Workflow",
        "name": "match",
        "input": {"month": 3, "big": 9007199254740993},
        "session": "s",
        "key": "2025-03",
        "keyConflict": "join",
        "labels": {"team": "books"},
        "priority": 5,
        "signal": {"name": "paid", "payload": [1], "id": "x"},
    }
    response = await house.client.post(f"{T}/runs", json=body, headers={"Idempotency-Key": "k-1"})
    assert response.status_code == 201
    run = response.json()
    assert response.headers["location"] == f"{T}/runs/{run['id']}"
    assert (run["state"], run["input"], run["itemIndex"]) == ("pending", {"n": 9007199254740993}, None)
    asked = house.runtime.last(runs_pb2.StartRunRequest)
    assert json.loads(asked.input_json) == body["input"]
    assert (asked.key_conflict, asked.idempotency_key) == (runs_pb2.KEY_CONFLICT_JOIN, "k-1")
    assert (asked.signal_name, asked.signal_json, asked.signal_id) == ("paid", b"[1]", "x")
    assert (asked.priority, dict(asked.labels), asked.session) == (5, {"team": "books"}, "s")


async def test_the_runtime_and_not_the_gateway_keeps_the_keys_of_runs(house):
    house.runtime.answers["StartRun"] = house.run()
    for _ in range(2):
        await house.client.post(
            f"{T}/runs", json={"kind": "Agent", "name": "a"}, headers={"Idempotency-Key": "k"}
        )
    assert house.runtime.count(runs_pb2.StartRunRequest) == 2


async def test_list(house):
    house.runtime.answers["ListRuns"] = runs_pb2.ListRunsResponse(runs=[house.run()], next_page_token="n")
    query = "state=running,timed-out&state=failed&kind=Agent&parent=p&roots=true&orderBy=created&session=s"
    body = (await house.client.get(f"{T}/runs?{query}")).json()
    assert (body["items"][0]["state"], body["continue"]) == ("timed-out", "n")
    asked = house.runtime.last(runs_pb2.ListRunsRequest)
    assert list(asked.states) == [2, 7, 5]
    assert (asked.kind, asked.parent_run_id, asked.roots_only, asked.page_size) == ("Agent", "p", True, 100)


@pytest.mark.parametrize(
    ("path", "body", "rpc", "request_type", "expected"),
    [
        ("cancel", {"reason": "no"}, "CancelRun", runs_pb2.CancelRunRequest, {"reason": "no"}),
        ("cancel", None, "CancelRun", runs_pb2.CancelRunRequest, {"reason": ""}),
        ("terminate", {"reason": "now"}, "TerminateRun", runs_pb2.TerminateRunRequest, {"reason": "now"}),
        ("pause", {"reason": "look"}, "PauseRun", runs_pb2.PauseRunRequest, {"reason": "look"}),
        ("pause", None, "PauseRun", runs_pb2.PauseRunRequest, {"reason": ""}),
        ("resume", {"resolution": "done", "outcome": {"a": 1}, "effectId": "e"}, "ResumeRun",
         runs_pb2.ResumeRunRequest, {"resolution": "done", "outcome_json": b'{"a":1}', "effect_id": "e"}),
        ("resume", {"resolution": "done", "outcome": None}, "ResumeRun",
         runs_pb2.ResumeRunRequest, {"resolution": "done", "outcome_json": b"null"}),
        ("resume", None, "ResumeRun", runs_pb2.ResumeRunRequest, {"outcome_json": b""}),
        ("signal", {"name": "paid", "payload": {"n": 1}}, "SignalRun", runs_pb2.SignalRunRequest,
         {"name": "paid", "payload_json": b'{"n":1}', "signal_id": ""}),
    ],
)  # fmt: skip
async def test_steering(house, path, body, rpc, request_type, expected):
    house.runtime.answers[rpc] = house.run()
    response = await house.client.post(f"{T}/runs/r1/{path}", json=body)
    assert response.status_code == 200, response.text
    asked = house.runtime.last(request_type)
    assert asked.run_id == "r1"
    assert {name: getattr(asked, name) for name in expected} == expected


async def test_a_signal_with_a_key_is_one_signal(house):
    house.runtime.answers["SignalRun"] = house.run()
    headers = {"Idempotency-Key": "k"}
    await house.client.post(f"{T}/runs/r1/signal", json={"name": "paid"}, headers=headers)
    first = house.runtime.last(runs_pb2.SignalRunRequest).signal_id
    await house.client.post(f"{T}/runs/r2/signal", json={"name": "paid"}, headers={"Idempotency-Key": "l"})
    assert first and first != house.runtime.last(runs_pb2.SignalRunRequest).signal_id


async def test_repin_and_fork(house):
    house.runtime.answers["RepinRun"] = runs_pb2.RepinRunResponse(
        run=house.run(), changes=["Agent/a: x -> y"]
    )
    body = (await house.client.post(f"{T}/runs/r1/repin", json={"dryRun": True})).json()
    assert (body["changes"], body["problems"]) == (["Agent/a: x -> y"], [])
    assert house.runtime.last(runs_pb2.RepinRunRequest).dry_run
    house.runtime.answers["ForkRun"] = runs_pb2.ForkRunResponse(copied_events=4, kept_steps=["a"])
    body = (await house.client.post(f"{T}/runs/r1/fork", json={"beforeSeq": 5, "dryRun": True})).json()
    assert (body["run"], body["copiedEvents"], body["keptSteps"]) == (None, 4, ["a"])


async def test_retry(house):
    house.runtime.answers["RetryRun"] = runs_pb2.RetryRunResponse(kept_steps=["a"], uncertain_steps=["b"])
    body = (await house.client.post(f"{T}/runs/r1/retry", json={"dryRun": True})).json()
    assert (body["run"], body["keptSteps"], body["uncertainSteps"]) == (None, ["a"], ["b"])
    house.runtime.answers["RetryRun"] = runs_pb2.RetryRunResponse(run=house.run())
    for _ in range(2):  # the runtime keeps the keys of these
        response = await house.client.post(f"{T}/runs/r1/retry", headers={"Idempotency-Key": "k"})
        assert response.json()["run"]["name"] == "match"
    asked = house.runtime.last(runs_pb2.RetryRunRequest)
    assert (asked.run_id, asked.dry_run, asked.idempotency_key) == ("r1", False, "k")
    assert house.runtime.count(runs_pb2.RetryRunRequest) == 3


async def test_rerun(house):
    old = runs_pb2.Rerun(run_id="r1", kind="Workflow", name="w", state=runs_pb2.RUN_STATE_FAILED)
    house.runtime.answers["RerunRuns"] = runs_pb2.RerunRunsResponse(reruns=[old], confirm="1-2-3")
    wish = {
        "name": "w",
        "states": ["failed", "timed-out"],
        "labelSelector": "a=b",
        "createdFrom": "2026-01-01T00:00:00Z",
        "from": "failure",
        "limit": 7,
        "dryRun": True,
    }
    body = (await house.client.post(f"{T}/runs/rerun", json=wish)).json()
    assert (body["items"][0]["state"], body["items"][0]["newRunId"]) == ("failed", None)
    assert (body["confirm"], body["continue"]) == ("1-2-3", None)
    asked = house.runtime.last(runs_pb2.RerunRunsRequest)
    assert (asked.name, list(asked.states), asked.page_size, asked.dry_run) == ("w", [5, 7], 7, True)
    assert getattr(asked, "from") == runs_pb2.RERUN_FROM_FAILURE
    await house.client.post(f"{T}/runs/rerun", json={"confirm": "1-2-3", "continue": "t"})
    asked = house.runtime.last(runs_pb2.RerunRunsRequest)
    assert (asked.confirm, asked.page_token, asked.dry_run) == ("1-2-3", "t", False)
    refused = await house.client.post(f"{T}/runs/rerun", json={"limit": 501})
    assert (refused.status_code, refused.json()["field"]) == (400, "limit")


async def test_archive(house):
    house.runtime.answers["ArchiveRuns"] = runs_pb2.ArchiveRunsResponse(runs=3, events=40, artifacts=1)
    wish = {"olderThanSeconds": 60, "dryRun": True}
    body = (await house.client.post(f"{T}/runs/archive", json=wish)).json()
    assert body == {"runs": 3, "events": 40, "deletedRuns": 0, "artifacts": 1}
    asked = house.runtime.last(runs_pb2.ArchiveRunsRequest)
    assert (asked.older_than_seconds, asked.dry_run) == (60, True)
    assert (await house.client.post(f"{T}/runs/archive")).status_code == 200
    house.runtime.answers["GetRun"] = house.run(archived="retention")
    assert (await house.client.get(f"{T}/runs/r1")).json()["archived"] == "retention"


async def test_export(house):
    pieces = [runs_pb2.ExportRunResponse(data=data) for data in (b"\x1f\x8b", b"more")]
    house.runtime.answers["ExportRun"] = pieces
    response = await house.client.get(f"{T}/runs/r1/export")
    assert (response.status_code, response.content) == (200, b"\x1f\x8bmore")
    assert response.headers["content-type"] == "application/gzip"
    assert response.headers["content-disposition"] == 'attachment; filename="run-r1.jsonl.gz"'
    assert house.runtime.last(runs_pb2.ExportRunRequest).run_id == "r1"
    house.runtime.answers["ExportRun"] = NotFound("no run r2", field="runId")
    refused = await house.client.get(f"{T}/runs/r2/export")
    assert (refused.status_code, refused.json()["field"]) == (404, "runId")


async def test_import(house):
    run = house.run(archived="import")
    answer = runs_pb2.ImportRunResponse(run=run, runs=3, events=40, artifacts=1, original_run_id="r0")
    house.runtime.answers["ImportRun"] = answer
    response = await house.client.post(f"{T}/runs/import", content=b"\x1f\x8b file")
    assert response.status_code == 201
    body = response.json()
    assert (body["run"]["archived"], body["runs"], body["originalId"]) == ("import", 3, "r0")
    assert response.headers["location"] == f"{T}/runs/{run.id}"
    assert house.runtime.last(runs_pb2.ImportRunRequest).data == b"\x1f\x8b file"
    empty = await house.client.post(f"{T}/runs/import")
    assert (empty.status_code, empty.json()["detail"]) == (400, "the body is empty")
    large = await house.client.post(f"{T}/runs/import", content=b"x" * 70_000)
    assert large.status_code == 413


async def test_effects(house):
    effect = runs_pb2.Effect(
        run_id="r1",
        effect_id="e1",
        kind="tool",
        target="ledger/book",
        state="uncertain",
        arguments_json=b"{}",
    )
    house.runtime.answers["ListEffects"] = runs_pb2.ListEffectsResponse(effects=[effect])
    body = (await house.client.get(f"{T}/runs/r1/effects?children=true")).json()
    assert (body["items"][0]["state"], body["items"][0]["outcomeSeq"]) == ("uncertain", None)
    assert house.runtime.last(runs_pb2.ListEffectsRequest).include_children


async def test_a_page_of_the_journal(house):
    events = [house.event(3, "run.started", b'{"big":9007199254740993}'), house.event(4, "step.started")]
    house.runtime.answers["ListRunEvents"] = runs_pb2.ListRunEventsResponse(events=events, last_seq=9)
    body = (await house.client.get(f"{T}/runs/r1/events?afterSeq=2&limit=2")).json()
    assert [item["seq"] for item in body["items"]] == [3, 4]
    assert body["items"][0]["data"] == {"big": 9007199254740993}
    assert (body["continue"], body["lastSeq"]) == ("4", 9)


async def test_approvals(house):
    approval = house.approval()
    house.approvals.answers["ListApprovals"] = approvals_pb2.ListApprovalsResponse(approvals=[approval])
    body = (await house.client.get(f"{T}/approvals?state=open&run=r1")).json()
    assert (body["items"][0]["state"], body["items"][0]["data"]) == ("open", {"amount": 119})
    asked = house.approvals.last(approvals_pb2.ListApprovalsRequest)
    assert (list(asked.states), asked.run_id) == ([1], "r1")
    house.approvals.answers["DecideApproval"] = approvals_pb2.DecideApprovalResponse(
        approval=approval, run=house.run()
    )
    decision = {"approve": False, "comment": "no", "answer": {"amount": 0}, "dataHash": "9f2c"}
    body = (await house.client.post(f"{T}/approvals/a1/decision", json=decision)).json()
    assert (body["approval"]["id"], body["run"]["name"]) == ("a1", "match")
    asked = house.approvals.last(approvals_pb2.DecideApprovalRequest)
    assert (asked.approve, asked.comment, asked.answer_json, asked.data_hash) == (
        False, "no", b'{"amount":0}', "9f2c",
    )  # fmt: skip
    response = await house.client.post(f"{T}/approvals/a1/decision", json={"comment": "x"})
    assert (response.status_code, response.json()["field"]) == (400, "approve")


async def test_tools_are_listed_with_those_that_are_away(house):
    tool = tools_pb2.Tool(
        server="s", name="t", effect=tools_pb2.TOOL_EFFECT_READ_ONLY, input_schema_json=b"{}"
    )
    house.tools.answers["ListTools"] = tools_pb2.ListToolsResponse(tools=[tool], unavailable=["x: down"])
    body = (await house.client.get(f"{T}/tools?server=s")).json()
    assert (body["items"][0]["effect"], body["unavailable"]) == ("readOnly", ["x: down"])


@pytest.mark.parametrize(
    ("status", "http", "reason"),
    [
        (Outcome.STATUS_OK, 200, None),
        (Outcome.STATUS_TOOL_ERROR, 200, None),
        (Outcome.STATUS_CANCELLED, 200, None),
        (Outcome.STATUS_DENIED, 403, "PolicyDenied"),
        (Outcome.STATUS_INVALID_ARGUMENTS, 400, "InvalidToolArguments"),
        (Outcome.STATUS_UNAVAILABLE, 503, "ToolUnavailable"),
        (Outcome.STATUS_TIMEOUT, 504, "ToolTimeout"),
        (Outcome.STATUS_UNCERTAIN, 504, "OutcomeUncertain"),
    ],
)
async def test_the_outcome_of_a_call(house, status, http, reason):
    house.tools.answers["CallTool"] = Outcome(call_id="c", status=status, result_json=b'{"a":1}', message="m")
    response = await house.client.post(f"{T}/tools/s/t/call", json={"arguments": {"x": 1}})
    assert (response.status_code, response.json().get("reason")) == (http, reason)
    asked = house.tools.last(tools_pb2.CallToolRequest)
    assert (asked.arguments_json, asked.principal) == (b'{"x":1}', "local:admin")
    assert asked.call_id


@pytest.mark.parametrize("missing", ["server", "tool"])
async def test_a_tool_that_is_not_there_is_not_found(house, missing):
    house.tools.answers["CallTool"] = Outcome(
        call_id="c", status=Outcome.STATUS_UNAVAILABLE, message="there is none", missing=missing
    )
    response = await house.client.post(f"{T}/tools/%00%E2%80%AE/..%20/call", json={})
    assert (response.status_code, response.json()["field"]) == (404, missing)


async def test_a_call_over_the_rate_says_when_to_come_back(house):
    house.tools.answers["CallTool"] = Outcome(
        call_id="c", status=Outcome.STATUS_UNAVAILABLE, message="too often", retry_after_seconds=2.4
    )
    response = await house.client.post(f"{T}/tools/s/t/call", json={})
    assert (response.status_code, response.json()["reason"]) == (429, "ToolRateLimited")
    assert response.headers["retry-after"] == "3"


async def test_a_call_that_needs_an_approval_becomes_a_run(house):
    house.tools.answers["CallTool"] = Outcome(
        call_id="c", status=Outcome.STATUS_NEEDS_APPROVAL, message="ask", policy="p"
    )
    house.runtime.answers["StartRun"] = house.run(kind="Tool", name="s/t")
    response = await house.client.post(f"{T}/tools/s/t/call", json={"arguments": {"x": 1}})
    assert response.status_code == 202
    body = response.json()
    assert (body["status"], body["policy"], body["run"]["name"]) == ("needs-approval", "p", "s/t")
    started = house.runtime.last(runs_pb2.StartRunRequest)
    assert (started.kind, started.name, started.input_json) == ("Tool", "s/t", b'{"x":1}')
    assert started.idempotency_key == house.tools.last(tools_pb2.CallToolRequest).call_id


async def test_memory(house):
    item = memory_pb2.MemoryItem(id="i", text="t", payload_json=b'{"n":1}', score=0.5, similarity=0.25)
    house.memory.answers["SearchMemory"] = memory_pb2.SearchMemoryResponse(items=[item], cached=True)
    search = {"query": "q", "limit": 3, "filter": {"n": {"gte": 1}}, "minScore": 0.2}
    body = (await house.client.post(f"{T}/memories/m/search", json=search)).json()
    assert (body["items"][0]["score"], body["cached"]) == (0.5, True)
    assert body["items"][0]["similarity"] == 0.25
    asked = house.memory.last(memory_pb2.SearchMemoryRequest)
    assert (asked.collection, asked.limit, asked.filter_json) == ("m", 3, b'{"n":{"gte":1}}')
    house.memory.answers["SaveMemory"] = memory_pb2.SaveMemoryResponse(ids=["i"])
    saved = await house.client.post(
        f"{T}/memories/m", json={"items": [{"text": "t"}, {"id": "i", "text": "u"}]}
    )
    assert saved.json() == {"ids": ["i"]}
    assert [i.id for i in house.memory.last(memory_pb2.SaveMemoryRequest).items] == ["", "i"]
    house.memory.answers["GetMemory"] = item
    assert (await house.client.get(f"{T}/memories/m/i")).json()["payload"] == {"n": 1}
    house.memory.answers["DeleteMemory"] = memory_pb2.DeleteMemoryResponse(deleted=1)
    assert (await house.client.delete(f"{T}/memories/m/i")).json() == {"deleted": 1}
    house.memory.answers["GetCollectionStats"] = memory_pb2.CollectionStats(collection="m", items=7)
    assert (await house.client.get(f"{T}/memories/m")).json()["items"] == 7


async def test_models(house):
    tier = models_pb2.ModelTier(route="default", tier="standard", provider="playbook", problem="no key")
    house.models.answers["ListModels"] = models_pb2.ListModelsResponse(tiers=[tier])
    assert (await house.client.get(f"{T}/models")).json()["items"][0]["problem"] == "no key"
    parts = [
        models_pb2.GenerateModelResponse(text_delta="Hel"),
        models_pb2.GenerateModelResponse(text_delta="lo"),
        models_pb2.GenerateModelResponse(response_json=b'{"text":"Hello"}'),
    ]
    house.models.answers["GenerateModel"] = parts
    wish = {"messages": [{"role": "user", "content": []}], "maxTokens": 9, "tier": "standard"}
    assert (await house.client.post(f"{T}/models/default/generate", json=wish)).json() == {"text": "Hello"}
    asked = house.models.last(models_pb2.GenerateModelRequest)
    assert (asked.route, asked.tier) == ("default", "standard")
    assert json.loads(asked.request_json) == {"messages": wish["messages"], "max_tokens": 9}
    stream = await house.client.post(
        f"{T}/models/default/generate", json=wish, headers={"Accept": "text/event-stream"}
    )
    found = house.frames(stream.text)
    assert [frame["event"] for frame in found] == ["delta", "delta", "response"]


async def test_an_artifact_is_streamed_and_may_be_kept(house):
    chunks = [
        runs_pb2.ArtifactChunk(data=b"ab", media_type="application/pdf", size=4),
        runs_pb2.ArtifactChunk(data=b"cd"),
    ]
    house.runtime.answers["GetArtifact"] = chunks
    response = await house.client.get(f"{T}/artifacts/sha256:00")
    assert (response.content, response.headers["content-type"]) == (b"abcd", "application/pdf")
    assert response.headers["content-length"] == "4"
    assert "immutable" in response.headers["cache-control"]
    assert response.headers["content-disposition"].startswith("attachment")
    house.runtime.answers.pop("GetArtifact")
    assert (await house.client.get(f"{T}/artifacts/sha256:01")).status_code == 404


async def test_triggers_and_events(house):
    house.runtime.answers["FireTrigger"] = runs_pb2.FireTriggerResponse(runs=[house.run()])
    wish = {"payload": {"a": 1}, "backfillFrom": "2025-03-01T00:00:00Z", "backfillTo": "2025-03-02T00:00:00Z"}
    body = (await house.client.post(f"{T}/triggers/daily/fire", json=wish)).json()
    assert (len(body["runs"]), body["skipped"]) == (1, None)
    asked = house.runtime.last(runs_pb2.FireTriggerRequest)
    assert (asked.payload_json, asked.backfill_from, asked.fire_id) == (b'{"a":1}', wish["backfillFrom"], "")
    house.runtime.answers["GetTriggerState"] = runs_pb2.TriggerState(name="daily", fired=3, paused=True)
    assert (await house.client.get(f"{T}/triggers/daily/state")).json()["paused"] is True
    house.runtime.answers["PublishEvent"] = runs_pb2.PublishEventResponse(matched=2)
    event = {
        "specversion": "1.0",
        "id": "e",
        "source": "/bank",
        "type": "paid",
        "data": {"n": 1},
        "extra": "x",
    }
    response = await house.client.post(
        f"{T}/events",
        content=json.dumps(event),
        headers={"Content-Type": "application/cloudevents+json"},
    )
    assert (response.status_code, response.json()) == (202, {"matched": 2})
    asked = house.runtime.last(runs_pb2.PublishEventRequest)
    assert (asked.type, asked.event_id, asked.source, asked.data_json) == ("paid", "e", "/bank", b'{"n":1}')
