"""What a call asks for, whatever way the request names it."""

import pytest

from quarterdeck.common.authorization.rules import Question
from quarterdeck.gateway.access.questions import questions
from quarterdeck.gateway.methods import method_table
from quarterdeck.v1 import bus_pb2, memory_pb2, models_pb2, resources_pb2, runs_pb2, tools_pb2

MANIFEST = b'{"kind":"Agent","metadata":{"name":"matcher"}}'


def asked(rpc, request):
    return questions(method_table()[f"/quarterdeck.v1.{rpc}"].requirement, request)


@pytest.mark.parametrize(
    ("rpc", "request_", "question"),
    [
        ("RuntimeService/CancelRun", runs_pb2.CancelRunRequest(tenant="a"), ("update", "runs/cancel", "a")),
        (
            "RuntimeService/StartRun",
            runs_pb2.StartRunRequest(tenant="a", kind="Workflow", name="w"),
            ("create", "runs", "a", "w"),
        ),
        (
            "RegistryService/GetObject",
            resources_pb2.GetObjectRequest(tenant="a", kind="Policy", name="p"),
            ("get", "policies", "a", "p"),
        ),
        (
            "RegistryService/ApplyObject",
            resources_pb2.ApplyObjectRequest(tenant="a", object_json=MANIFEST),
            ("update", "agents", "a", "matcher"),
        ),
        (
            "RegistryService/ApplyObject",
            resources_pb2.ApplyObjectRequest(object_json=b'{"kind":"Agent","metadata":{"name":["x"]}}'),
            ("update", "agents", ""),
        ),
        (
            "RegistryService/GetRevision",
            resources_pb2.GetRevisionRequest(tenant="a", revision="Workflow/w@0"),
            ("get", "workflows", "a"),
        ),
        (
            "RegistryService/WatchObjects",
            resources_pb2.WatchObjectsRequest(tenant="a"),
            ("watch", "objects", "a"),
        ),
        (
            "RegistryService/UpdateStatus",
            resources_pb2.UpdateStatusRequest(tenant="a", kind="MCPServer", name="s"),
            ("update", "mcpservers/status", "a", "s"),
        ),
        (
            "ToolService/CallTool",
            tools_pb2.CallToolRequest(tenant="a", server="ledger", tool="book"),
            ("call", "tools/call", "a", "ledger/book"),
        ),
        (
            "MemoryService/SearchMemory",
            memory_pb2.SearchMemoryRequest(tenant="a", collection="invoices"),
            ("search", "memories/search", "a", "invoices"),
        ),
        (
            "ModelService/GenerateModel",
            models_pb2.GenerateModelRequest(tenant="a", route="default"),
            ("call", "models/call", "a", "default"),
        ),
        ("BusService/ListDeadLetters", bus_pb2.ListDeadLettersRequest(), ("list", "deadletters", "")),
    ],
)
def test_what_a_request_is_about(rpc, request_, question):
    assert asked(rpc, request_) == [Question(*question)]


@pytest.mark.parametrize(
    "manifest", [b"{", b"[]", b"7", b'{"kind":["Agent"]}', b'{"kind":"Nothing"}', b'{"kind":{}}']
)
def test_what_is_no_manifest_asks_for_all_kinds(manifest):
    request = resources_pb2.ApplyObjectRequest(tenant="a", object_json=manifest)
    assert asked("RegistryService/ApplyObject", request) == [Question("update", "objects", "a")]


def test_what_belongs_to_the_platform_is_nothing_of_the_tenant_that_a_request_names():
    request = resources_pb2.DeleteObjectRequest(tenant="mine", kind="Tenant", name="theirs")
    assert asked("RegistryService/DeleteObject", request) == [Question("delete", "tenants", "", "theirs")]
    manifest = b'{"kind":"PlatformPolicy","metadata":{"name":"p"}}'
    request = resources_pb2.ApplyObjectRequest(tenant="mine", object_json=manifest)
    assert asked("RegistryService/ApplyObject", request) == [Question("update", "platformpolicies", "", "p")]


def test_a_batch_asks_for_each_name_once():
    runs = [runs_pb2.StartRunRequest(kind="Workflow", name=name) for name in ("a", "b", "a")]
    found = asked("RuntimeService/StartRuns", runs_pb2.StartRunsRequest(tenant="t", runs=runs))
    assert found == [Question("create", "runs", "t", "a"), Question("create", "runs", "t", "b")]


def test_a_run_that_is_a_tool_call_needs_to_be_allowed_as_one():
    one = runs_pb2.StartRunRequest(tenant="t", kind="Tool", name="ledger/book")
    needed = [
        Question("create", "runs", "t", "ledger/book"),
        Question("call", "tools/call", "t", "ledger/book"),
    ]
    assert asked("RuntimeService/StartRun", one) == needed
    several = runs_pb2.StartRunsRequest(tenant="t", runs=[one])
    assert asked("RuntimeService/StartRuns", several) == needed
