"""Tools that misbehave, called by real runs: one clear error, and everybody else goes on."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from badinput_support import (
    NASTY,
    LivePlatform,
    error_of,
    local_server,
    manifest,
    open_policy,
    tool_workflow,
    until,
    workflow,
)

READ_ONLY = (
    "hang",
    "crash",
    "flood_forever",
    "big",
    "invalid_json",
    "garbage",
    "fail",
    "rpc_error",
    "wrong_structure",
    "echo",
)
# Making 100 MB takes the server itself a while.
TIMEOUTS = {"big": {"timeout": "30s"}}
ARGUMENTS = {"big": ("bytes",), "echo": ("text",)}


@pytest.fixture(scope="module")
def tools(_shared_platform: LivePlatform) -> LivePlatform:
    """The platform with a nasty server whose tools only read, and a workflow for each of them."""
    effects = [{"name": name, "effect": "readOnly", **TIMEOUTS.get(name, {})} for name in READ_ONLY]
    _shared_platform.apply(
        local_server("nasty", NASTY, tools=effects, limits={"callTimeout": "2s"}),
        *(tool_workflow(flow(name), "nasty", name, *ARGUMENTS.get(name, ())) for name in READ_ONLY),
    )
    return _shared_platform


def flow(tool: str) -> str:
    return f"call-{tool.replace('_', '-')}"


@pytest.mark.parametrize(
    ("tool", "arguments", "kind", "words"),
    [
        ("hang", None, "timeout", "no answer within 2 s"),
        ("crash", None, "tool", "exit status 3; it wrote: about to crash on purpose"),
        ("flood_forever", None, "timeout", "no answer within 2 s"),
        ("big", {"bytes": 100_000_000}, "tool", "at most 16,777,216"),
        ("invalid_json", None, "tool", "not valid JSON"),
        ("garbage", None, "timeout", "no answer within 2 s"),
        ("fail", None, "tool", "no such invoice"),
        ("rpc_error", None, "tool", "database is away"),
        ("wrong_structure", None, "tool", "result.n: 'five' is not of type 'integer'"),
        ("echo", {"text": 5}, "validation", "arguments.text: 5 is not of type 'string'"),
    ],
)
def test_the_call_fails_alone_and_others_go_on_meanwhile(
    platform: LivePlatform, tools: LivePlatform, tool: str, arguments: Any, kind: str, words: str
) -> None:
    run_id = tools.start_run("Workflow", flow(tool), arguments)
    tools.serves_others(within=5)  # while it hangs, floods or sends its 100 MB
    error = error_of(tools.wait(run_id))
    assert (error["class"], error["tool"], error["node"]) == (kind, f"nasty/{tool}", "call")
    assert words in error["message"]
    # The next call to the same server succeeds.
    began = time.monotonic()
    run = tools.go("Workflow", flow("echo"), {"text": "still here?"})
    assert run["output"] == {"text": "still here?"}
    assert time.monotonic() - began < 10


def test_an_unwanted_error_is_caught_by_its_class(platform: LivePlatform, tools: LivePlatform) -> None:
    call = {"server": "nasty", "name": "fail", "arguments": {}}
    tools.apply(
        workflow(
            "careful",
            {"name": "call", "tool": call, "catch": [{"errors": ["tool"], "to": "otherwise"}]},
            {"name": "otherwise", "transform": {"output": "${error.message}"}},
        )
    )
    assert tools.go("Workflow", "careful")["output"] == "no such invoice"


@pytest.mark.parametrize("tool", ["append_and_crash", "append_and_hang"])
def test_a_write_that_dies_half_way_waits_for_a_person(
    platform: LivePlatform, tmp_path: Path, tool: str
) -> None:
    """It was written once, nobody can know that, so it is not written again until somebody says so."""
    server, file = f"writer-{tool.rpartition('_')[2]}", tmp_path / "written"
    platform.apply(
        local_server(server, NASTY, env={"NASTY_FILE": str(file)}, limits={"callTimeout": "2s"}),
        open_policy(server),
        tool_workflow(f"write-{server}", server, tool, "text"),
    )
    run_id = platform.start_run("Workflow", f"write-{server}", {"text": "one"})
    waiting = platform.wait(run_id, "waiting", timeout=20)
    assert waiting["openApprovals"] == 1
    (asked,) = platform.get("approvals", state="open", run=run_id)["items"]
    assert f"{server}/{tool}" in asked["title"]
    assert asked["data"]["arguments"] == {"text": "one"}
    platform.serves_others()
    assert file.read_text() == "one\n"
    (effect,) = platform.get(f"runs/{run_id}/effects")["items"]
    assert (effect["state"], effect["target"]) == ("uncertain", f"{server}/{tool}")
    answer = platform.post(f"approvals/{asked['id']}/decision", {"approve": False, "comment": "it was"})
    assert answer.status_code == 200, answer.text
    error = error_of(platform.wait(run_id))
    assert error["class"] == "uncertain"
    assert file.read_text() == "one\n"


@pytest.mark.parametrize(
    ("local", "words"),
    [
        ({"env": {"NASTY_CRASH_AT_START": "1"}}, "cannot find my configuration"),
        ({"command": ["/nowhere/to-be-found"]}, "/nowhere/to-be-found"),
        ({"workingDirectory": "/nowhere/at-all"}, "/nowhere/at-all"),
    ],
)
def test_a_server_that_does_not_start_says_why_and_its_runs_wait(
    platform: LivePlatform, local: dict[str, Any], words: str
) -> None:
    good = local_server("broken", NASTY, restart={"initialDelay": "100ms", "maxDelay": "200ms"})
    broken = {**good, "spec": {**good["spec"], "local": {**good["spec"]["local"], **local}}}
    platform.apply(broken, tool_workflow("call-broken", "broken", "pid"))
    run_id = platform.start_run("Workflow", "call-broken")

    def told() -> bool:
        ready = platform.condition("MCPServer", "broken", "Ready")
        return ready.get("status") == "False" and words in ready["message"]

    until(told, 15, "the condition Ready", lambda: platform.get("mcpservers/broken")["status"])
    reason = platform.wait(run_id, "waiting", timeout=10)["reason"]
    assert "broken" in reason
    platform.serves_others()
    # Mended, it starts, and the run that waited goes on.
    platform.apply({**good, "spec": {**good["spec"], "tools": [{"name": "pid", "effect": "readOnly"}]}})
    assert platform.wait(run_id, timeout=30)["state"] == "succeeded"
    platform.http.delete("/api/v1/tenants/default/mcpservers/broken")


def test_a_remote_server_that_is_not_there_is_told_and_waited_for(platform: LivePlatform) -> None:
    platform.apply(
        manifest("MCPServer", "nobody", {"remote": {"url": "http://127.0.0.1:9/mcp"}}),
        tool_workflow("call-nobody", "nobody", "echo"),
    )
    run_id = platform.start_run("Workflow", "call-nobody")
    assert "nobody" in platform.wait(run_id, "waiting", timeout=20)["reason"]
    cancelled = platform.post(f"runs/{run_id}/cancel", {"reason": "enough"})
    assert cancelled.status_code == 200, cancelled.text
    error = error_of(platform.wait(run_id), "cancelled")
    assert error["message"] == "enough"
    platform.http.delete("/api/v1/tenants/default/mcpservers/nobody")


def test_a_result_that_looks_like_an_artifact_is_none(platform: LivePlatform, tools: LivePlatform) -> None:
    """A tool must not be able to point a run at what is not there, or at another run's data."""
    forged = {"$artifact": "sha256:" + "0" * 64, "size": 5}
    run = tools.go("Workflow", flow("echo"), {"text": json.dumps(forged)})
    assert run["state"] == "succeeded", run
    assert tools.get(f"artifacts/{run['output']['$artifact']}") == forged
