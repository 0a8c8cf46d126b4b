"""The document is complete, true and committed; its page needs no internet."""

import json
import re
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from quarterdeck.gateway.app import make_routes
from quarterdeck.gateway.constants import OPEN_PATHS
from quarterdeck.gateway.openapi import document
from quarterdeck.gateway.schemas import approvals as approval_schemas
from quarterdeck.gateway.schemas import batches as batch_schemas
from quarterdeck.gateway.schemas import memories as memory_schemas
from quarterdeck.gateway.schemas import models as model_schemas
from quarterdeck.gateway.schemas import objects as object_schemas
from quarterdeck.gateway.schemas import runs as run_schemas
from quarterdeck.gateway.schemas import tools as tool_schemas
from quarterdeck.gateway.translate import approvals, batches, memories, models, objects, runs, tools
from quarterdeck.v1 import approvals_pb2, memory_pb2, models_pb2, resources_pb2, runs_pb2, tools_pb2

COMMITTED = Path(__file__).parents[3] / "docs" / "reference" / "openapi.json"


@pytest.fixture
def found(house):
    return document(make_routes(house.gateway._parts))


def operations(found):
    return [(path, method, op) for path, item in found["paths"].items() for method, op in item.items()]


def test_the_committed_document_is_up_to_date(found):
    written = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    assert COMMITTED.read_text() == written, "run: python -m quarterdeck.gateway.write_openapi"


def test_every_operation_is_described(found):
    ids = [op["operationId"] for _, _, op in operations(found)]
    assert len(ids) == len(set(ids)) > 45
    tags = {tag["name"] for tag in found["tags"]}
    for path, method, op in operations(found):
        assert op["responses"]["default"] == {"$ref": "#/components/responses/Problem"}
        assert set(op["tags"]) <= tags
        assert op.get("summary"), path
        assert "422" not in op["responses"]
        needs_token = op["security"] == [{"token": []}]
        assert needs_token == (path.startswith("/api/v1") and path not in OPEN_PATHS)
        names = [p.get("$ref", p.get("name")) for p in op.get("parameters", ())]
        assert ("#/components/parameters/IdempotencyKey" in names) == (method == "post")


def test_every_reference_leads_somewhere(found):
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(found))):
        target = found
        for part in reference.split("/"):
            target = target[part]


def test_requests_carry_examples(found):
    schemas = found["components"]["schemas"]
    for name in ("StartRun", "CallTool", "Decide", "SaveMemory", "CloudEvent", "Manifest", "Problem"):
        assert schemas[name]["example"], name


CASES = [
    (run_schemas.Run, lambda h: runs.run(h.run())),
    (run_schemas.Run, lambda h: runs.run(runs_pb2.Run())),
    (run_schemas.RunPage, lambda h: runs.run_list(runs_pb2.ListRunsResponse(runs=[h.run()]))),
    (run_schemas.RunEventPage, lambda h: json.loads(runs.event_list(
        runs_pb2.ListRunEventsResponse(events=[h.event(1, "x")], last_seq=1)))),
    (run_schemas.Effect, lambda h: runs.effect(runs_pb2.Effect(arguments_json=b"{}"))),
    (run_schemas.Repin, lambda h: runs.repin(runs_pb2.RepinRunResponse(run=h.run()))),
    (run_schemas.Fork, lambda h: runs.fork(runs_pb2.ForkRunResponse(run=h.run()))),
    (run_schemas.Retry, lambda h: runs.retry(runs_pb2.RetryRunResponse(run=h.run()))),
    (run_schemas.RerunPage, lambda h: runs.reruns(
        runs_pb2.RerunRunsResponse(reruns=[runs_pb2.Rerun(run_id="r")]))),
    (batch_schemas.StartedRuns, lambda h: batches.batch(runs_pb2.StartRunsResponse(runs=[
        runs_pb2.StartedRun(run_id="r"),
        runs_pb2.StartedRun(refusal=runs_pb2.Refusal(code=3, reason="R", message="m", field="f"))]))),
    (run_schemas.Archived, lambda h: runs.archived(runs_pb2.ArchiveRunsResponse(runs=1))),
    (run_schemas.ImportedRun, lambda h: runs.imported(runs_pb2.ImportRunResponse(run=h.run(), runs=1))),
    (run_schemas.Fired, lambda h: runs.fired(runs_pb2.FireTriggerResponse(runs=[h.run()]))),
    (run_schemas.TriggerState, lambda h: runs.trigger_state(runs_pb2.TriggerState(name="t"))),
    (approval_schemas.ApprovalPage, lambda h: approvals.approval_list(
        approvals_pb2.ListApprovalsResponse(approvals=[h.approval()]))),
    (approval_schemas.Decided, lambda h: approvals.decision(
        approvals_pb2.DecideApprovalResponse(approval=h.approval(), run=h.run()))),
    (tool_schemas.ToolPage, lambda h: tools.tool_list(
        tools_pb2.ListToolsResponse(tools=[tools_pb2.Tool(name="t")]))),
    (tool_schemas.ToolOutcome, lambda h: tools.outcome(tools_pb2.ToolOutcome(artifact="sha256:0"))),
    (memory_schemas.MemoryItem, lambda h: memories.item(memory_pb2.MemoryItem(id="i"))),
    (memory_schemas.FoundPage, lambda h: memories.found(
        memory_pb2.SearchMemoryResponse(items=[memory_pb2.MemoryItem(id="i")]))),
    (memory_schemas.CollectionStats, lambda h: memories.stats(memory_pb2.CollectionStats())),
    (model_schemas.ModelTier, lambda h: models.tier(models_pb2.ModelTier(route="r"))),
    (object_schemas.Revision, lambda h: objects.revision(resources_pb2.Revision(spec_json=b"{}"))),
    (object_schemas.ManifestPage, lambda h: json.loads(objects.object_list(
        resources_pb2.ListObjectsResponse(resource_version="1")))),
]  # fmt: skip


@pytest.mark.parametrize(("model", "make"), CASES, ids=lambda value: getattr(value, "__name__", ""))
async def test_what_routes_answer_is_what_the_document_says(house, model, make):
    value = make(house)
    TypeAdapter(model).validate_python(value)
    declared = {field.alias or name for name, field in model.model_fields.items()}
    assert set(value) == declared


async def test_the_page_needs_nothing_from_outside(house):
    page = await house.client.get("/docs", headers={"Authorization": ""})
    assert page.headers["content-type"].startswith("text/html")
    assert "http" not in page.text.replace("https", "http").replace("<html", "")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src 'self';" in policy
    for asset in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        response = await house.client.get(asset)
        assert response.status_code == 200 and response.content, asset
    assert "<script>" not in page.text
    start = await house.client.get("/docs/start.js")
    assert re.search(r'url: "(/openapi.json)"', start.text)
    assert (await house.client.get("/openapi.json")).json()["openapi"].startswith("3.1")
    assert (await house.client.get("/docs/../constants.py")).status_code in {401, 404}
    assert (await house.client.get("/docs/core.py")).status_code == 404
