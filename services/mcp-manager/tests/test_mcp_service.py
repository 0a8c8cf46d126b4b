from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import psutil
import pytest
from mcp_support import ADMIN, NASTY, State, Status, World, eventually, manifest, policy, value

from quarterdeck.common import codec
from quarterdeck.common.errors import InvalidArgument, NotFound, PermissionDenied, Unavailable
from quarterdeck.common.rpc_client import act_for
from quarterdeck.mcp import pool, store
from quarterdeck.v1 import tools_pb2

READ_ONLY = [
    {"name": name, "effect": "readOnly"} for name in ("echo", "hang", "crash", "big", "pid", "progress")
]


async def test_a_call_from_manifest_to_result(world: World) -> None:
    await world.apply(world.nasty(tools=READ_ONLY))
    await world.until_ready()
    outcome = await world.call("echo", {"text": "hello"})
    assert value(outcome) == {"text": "hello"}
    assert outcome.duration_ms > 0
    assert (await world.status())["toolCount"] > 10


async def test_tools_are_listed_with_the_authors_word(world: World) -> None:
    check = {"tool": "pid", "done": "${result.found}"}
    tools = [
        {"name": "echo", "effect": "readOnly", "timeout": "5s"},
        {"name": "append", "effect": "write", "onUncertain": "check", "check": check},
    ]
    await world.apply(world.nasty(tools=tools, allowedTools=["echo", "append", "hang"]))
    await world.until_ready()
    listed = {tool.name: tool for tool in (await world.list_tools("nasty")).tools}
    assert set(listed) == {"echo", "append", "hang"}
    assert listed["echo"].effect == tools_pb2.TOOL_EFFECT_READ_ONLY
    assert (listed["echo"].timeout_seconds, listed["echo"].on_uncertain) == (5, "retry")
    assert json.loads(listed["append"].check_json)["done"] == "${result.found}"
    assert (listed["hang"].effect, listed["hang"].on_uncertain) == (tools_pb2.TOOL_EFFECT_WRITE, "ask")
    assert json.loads(listed["echo"].input_schema_json)["required"] == ["text"]
    assert len(listed["echo"].pin) == 64


async def test_a_tool_that_is_not_allowed_is_refused(world: World) -> None:
    await world.apply(world.nasty(allowedTools=["echo"]), policy())
    await world.until_ready()
    outcome = await world.call("append", {"text": "x"})
    assert outcome.status == Status.STATUS_DENIED
    assert "nasty/append is not among spec.allowedTools" in outcome.message
    assert world.lines() == []


async def test_unknown_servers_and_tools_are_told_and_heal(world: World) -> None:
    outcome = await world.call("echo", {"text": "x"})
    assert outcome.status == Status.STATUS_UNAVAILABLE
    assert "no such MCPServer" in outcome.message and outcome.missing == "server"
    with pytest.raises(NotFound):
        await world.list_tools("nasty")
    await world.apply(world.nasty(tools=READ_ONLY))
    await world.until_ready()
    assert value(await world.call("echo", {"text": "x"})) == {"text": "x"}
    missing = await world.call("no_such_tool")
    assert missing.status == Status.STATUS_UNAVAILABLE
    assert "its tools: append" in missing.message and missing.missing == "tool"


async def test_arguments_are_checked_with_the_path_of_what_is_wrong(world: World) -> None:
    await world.apply(world.nasty(tools=[{"name": "big", "effect": "readOnly"}]))
    await world.until_ready()
    outcome = await world.call("big", {"bytes": "many"})
    assert outcome.status == Status.STATUS_INVALID_ARGUMENTS
    assert outcome.message == "arguments.bytes: 'many' is not of type 'integer'"
    outcome = await world.call("big", {})
    assert outcome.message == "arguments: 'bytes' is a required property"
    with pytest.raises(InvalidArgument, match="JSON object") as wrong:
        await world.call("big", [1])
    assert wrong.value.field == "arguments_json"


async def test_a_write_needs_a_policy_and_an_approval_is_good_for_one_call(world: World) -> None:
    await world.apply(world.nasty())
    await world.until_ready()
    asked = await world.call("append", {"text": "one"})
    assert asked.status == Status.STATUS_NEEDS_APPROVAL
    record = await world.record("call-0")
    assert record.outcome.status == Status.STATUS_NEEDS_APPROVAL, (
        "the id stays answered; the next has its own"
    )

    approval: Any = {"approval_id": "a-1", "approved_arguments_hash": codec.digest({"text": "one"})}
    assert (await world.call("append", {"text": "other"}, **approval)).status == Status.STATUS_NEEDS_APPROVAL
    assert (
        await world.call("append", {"text": "one"}, call_id="call-1b", **approval)
    ).status == Status.STATUS_OK
    again = await world.call("append", {"text": "one"}, **approval)
    assert again.status == Status.STATUS_DENIED
    assert "the approval was used by call call-1b" in again.message
    assert world.lines() == ["one"]


async def test_only_the_runtime_passes_approvals_on(world: World) -> None:
    await world.apply(world.nasty())
    act_for(ADMIN)
    with pytest.raises(PermissionDenied, match="approvals are held by agent-runtime"):
        await world.call("append", {"text": "x"}, world.gateway, approval_id="a", approved_arguments_hash="h")


async def test_policies_decide_live(world: World) -> None:
    await world.apply(world.nasty(), policy("allow", match={"tools": ["nasty/append"]}))
    await world.until_ready()
    assert (await world.call("append", {"text": "1"})).status == Status.STATUS_OK
    deny = {
        "match": {"tools": ["nasty/*"]},
        "when": "${arguments.text == '2'}",
        "message": "two is forbidden",
    }
    platform = manifest(
        "PlatformPolicy", "none-of-two", {"rules": [{"name": "two", "effect": "deny", **deny}]}
    )
    await world.apply(platform)

    async def denied() -> bool:
        outcome = await world.call("append", {"text": "2"})
        return outcome.status == Status.STATUS_DENIED and outcome.message == "two is forbidden"

    await eventually(denied)
    assert (await world.call("append", {"text": "3"})).status == Status.STATUS_OK
    await world.delete("PlatformPolicy", "none-of-two")

    async def allowed() -> bool:
        return bool((await world.call("append", {"text": "2"})).status == Status.STATUS_OK)

    await eventually(allowed)


async def test_a_repeat_gets_the_recorded_outcome_also_after_a_restart(world: World) -> None:
    await world.apply(world.nasty(), policy())
    await world.until_ready()
    request = world.request("append", {"text": "once"})
    first = await world.send(request)
    again = await world.send(request)
    assert not first.replayed
    assert again.replayed
    await world.restart_manager()
    later = await world.send(request)
    assert later.replayed
    assert value(later) == value(again) == value(first)
    assert world.lines() == ["once"]
    assert (await world.record(request.call_id)).state == State.STATE_DONE


async def test_a_repeat_joins_the_call_under_way(world: World) -> None:
    await world.apply(world.nasty(), policy())
    await world.until_ready()
    request = world.request("progress", {})
    outcomes = await asyncio.gather(*(world.send(request) for _ in range(5)))
    assert {outcome.result_json for outcome in outcomes} == {b'{"text":"done"}'}


async def test_a_call_id_names_one_call(world: World) -> None:
    await world.apply(world.nasty(), policy())
    await world.until_ready()
    await world.call("append", {"text": "one"}, call_id="c")
    for repeat in (
        world.request("append", {"text": "two"}, call_id="c"),
        world.request("echo", {}, call_id="c"),
    ):
        with pytest.raises(InvalidArgument, match="call id 'c' was used for another call") as wrong:
            await world.send(repeat)
        assert wrong.value.reason == "CallIdReused"
    await world.restart_manager()
    with pytest.raises(InvalidArgument, match="call id 'c' was used for another call"):
        await world.call("append", {"text": "two"}, call_id="c")
    assert world.lines() == ["one"]


async def test_a_call_outlives_its_caller(world: World) -> None:
    await world.apply(world.nasty(), policy())
    await world.until_ready()
    request = world.request("progress", {})
    calling = asyncio.create_task(world.send(request))

    async def under_way() -> bool:
        return bool((await world.record(request.call_id)).state == State.STATE_IN_FLIGHT)

    await eventually(under_way)
    calling.cancel()
    await asyncio.gather(calling, return_exceptions=True)
    assert value(await world.send(request)) == {"text": "done"}


async def test_a_crash_during_a_write_is_uncertain_and_the_server_known_dead(world: World) -> None:
    await world.apply(world.nasty(restart={"initialDelay": "10ms"}), policy())
    await world.until_ready()
    request = world.request("append_and_crash", {"text": "maybe"})
    outcome = await world.send(request)
    assert outcome.status == Status.STATUS_UNCERTAIN
    assert outcome.server_dead
    assert "ended with exit status 3" in outcome.message
    assert world.lines() == ["maybe"]
    record = await world.record(request.call_id)
    assert (record.state, record.server_dead) == (State.STATE_UNCERTAIN, True)
    assert (await world.send(request)).status == Status.STATUS_UNCERTAIN, "it is not sent again"
    assert world.lines() == ["maybe"]
    assert value(await world.call("echo", {"text": "back"})) == {"text": "back"}


async def test_a_crash_during_a_read_is_an_error_of_the_tool(world: World) -> None:
    await world.apply(world.nasty(tools=READ_ONLY, restart={"initialDelay": "10ms"}))
    await world.until_ready()
    outcome = await world.call("crash")
    assert outcome.status == Status.STATUS_TOOL_ERROR
    assert "about to crash on purpose" in outcome.message


async def test_a_server_on_which_a_write_hangs_is_ended(world: World) -> None:
    await world.apply(world.nasty(tools=READ_ONLY), policy())
    await world.until_ready()
    request = world.request("append_and_hang", {"text": "hung"}, timeout_seconds=0.3)
    calling = asyncio.create_task(world.send(request))
    await asyncio.sleep(0.6)
    assert value(await world.call("echo", {"text": "next"})) == {"text": "next"}, "a fresh server serves it"
    outcome = await calling
    assert (outcome.status, outcome.message) == (Status.STATUS_UNCERTAIN, "no answer within 0.3 s")
    assert outcome.server_dead


async def test_a_read_that_hangs_times_out(world: World) -> None:
    await world.apply(world.nasty(tools=[{"name": "hang", "effect": "readOnly", "timeout": "200ms"}]))
    await world.until_ready()
    outcome = await world.call("hang", timeout_seconds=30)
    assert (outcome.status, outcome.message) == (Status.STATUS_TIMEOUT, "no answer within 0.2 s")


async def test_a_server_that_hangs_for_good_is_replaced(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "PING_TIMEOUT", 0.2)
    await world.apply(world.nasty(tools=READ_ONLY))
    await world.until_ready()
    before = value(await world.call("pid"))
    assert (await world.call("hang", timeout_seconds=0.2)).status == Status.STATUS_TIMEOUT
    await asyncio.sleep(0.6)
    assert value(await world.call("pid")) != before


async def test_an_intent_without_an_outcome_is_uncertain_after_a_kill(world: World) -> None:
    await world.apply(world.nasty(), policy())
    await world.until_ready()
    await world.stop_service("mcp-manager")
    manager = await world.start_manager_process()
    request = world.request("append_and_hang", {"text": "unknown"})
    calling = asyncio.create_task(world.send(request))
    await eventually(lambda: world.lines() == ["unknown"])
    manager.kill()
    await manager.wait()
    with pytest.raises(Unavailable):
        await calling
    await world.start_service("mcp-manager", "quarterdeck.mcp.main")
    outcome = await world.send(request)
    assert outcome.status == Status.STATUS_UNCERTAIN
    assert "what became of it is not known" in outcome.message
    assert outcome.server_dead
    assert world.lines() == ["unknown"]


async def test_a_call_that_cannot_be_sent_leaves_an_older_intent_alone(world: World) -> None:
    await world.apply(world.nasty(), policy())
    await world.until_ready()
    await world.stop_service("mcp-manager")
    manager = await world.start_manager_process()
    request = world.request("append_and_hang", {"text": "unknown"})
    calling = asyncio.create_task(world.send(request))
    await eventually(lambda: world.lines() == ["unknown"])
    manager.kill()
    await manager.wait()
    await asyncio.gather(calling, return_exceptions=True)
    await world.start_service("mcp-manager", "quarterdeck.mcp.main")
    await world.delete("MCPServer", "nasty")
    for _ in range(2):
        assert (await world.send(request)).status == Status.STATUS_UNCERTAIN
    await world.apply(world.nasty(env={"NASTY_CRASH_AT_START": "1"}, restart={"crashLoopAfter": 1}))
    for _ in range(2):
        assert (await world.send(request)).status == Status.STATUS_UNCERTAIN
    assert (await world.record(request.call_id)).state == State.STATE_UNCERTAIN


async def test_a_graceful_end_waits_for_calls_under_way(world: World) -> None:
    await world.apply(world.nasty(), policy())
    await world.until_ready()
    request = world.request("progress", {})
    calling = asyncio.create_task(world.send(request))

    async def under_way() -> bool:
        return bool((await world.record(request.call_id)).state == State.STATE_IN_FLIGHT)

    await eventually(under_way)
    await world.restart_manager(grace=10.0)
    assert value(await calling) == {"text": "done"}
    assert (await world.send(request)).replayed


async def test_a_call_that_outlasts_the_drain_is_recorded_as_uncertain(world: World) -> None:
    await world.apply(world.nasty(), policy())
    await world.until_ready()
    request = world.request("append_and_hang", {"text": "cut off"})
    calling = asyncio.create_task(world.send(request))
    await eventually(lambda: world.lines() == ["cut off"])
    await world.restart_manager(grace=0.0)
    await asyncio.gather(calling, return_exceptions=True)
    outcome = await world.send(request)
    assert (outcome.status, outcome.message) == (Status.STATUS_UNCERTAIN, "the tool server was closed")
    assert outcome.server_dead


async def test_results_too_large_to_be_inline_become_artifacts(world: World) -> None:
    limits = {"resultBytes": 10_000, "messageBytes": 65_536}
    await world.apply(world.nasty(tools=READ_ONLY, limits=limits))
    await world.until_ready()
    outcome = await world.call("big", {"bytes": 50_000})
    assert outcome.status == Status.STATUS_OK
    assert outcome.result_json == b""
    tenant_id = (world.settings.data_dir / "artifacts").iterdir().__next__().name
    stored = await world.runtime.artifacts.get(tenant_id, outcome.artifact)
    assert json.loads(stored) == {"text": "x" * 50_000}
    assert outcome.artifact_size == len(stored)
    large = await world.call("big", {"bytes": 100_000})
    assert large.status == Status.STATUS_TOOL_ERROR
    assert "at most 65,536 are taken" in large.message
    assert value(await world.call("echo", {"text": "next"})) == {"text": "next"}


async def test_a_write_whose_answer_cannot_be_taken_is_uncertain_but_over(world: World) -> None:
    await world.apply(world.nasty(), policy())
    await world.until_ready()
    for tool, words in (
        ("invalid_json", "not valid JSON"),
        ("wrong_structure", "result.n: 'five' is not of type"),
    ):
        outcome = await world.call(tool)
        assert outcome.status == Status.STATUS_UNCERTAIN
        assert words in outcome.message
        assert outcome.server_dead, "it has answered: nothing of the call is under way"


async def test_progress_can_be_watched(world: World) -> None:
    await world.apply(world.nasty(tools=READ_ONLY))
    await world.until_ready()
    request = world.request("progress", {})
    calling = asyncio.create_task(world.send(request))
    peer, stub = world.tools()

    async def under_way() -> bool:
        return bool((await world.record(request.call_id)).state == State.STATE_IN_FLIGHT)

    await eventually(under_way)
    watching = tools_pb2.WatchCallRequest(tenant="default", call_id=request.call_id)
    seen = [(n.progress, n.total, n.message) async for n in peer.stream(stub.WatchCall, watching)]
    assert seen
    assert seen[-1] == (3, 3, "step 3")
    await calling


async def test_a_call_can_be_cancelled(world: World) -> None:
    await world.apply(world.nasty(tools=READ_ONLY), policy())
    await world.until_ready()
    for tool, arguments, expected in (
        ("hang", {}, Status.STATUS_CANCELLED),
        ("append_and_hang", {"text": "cut"}, Status.STATUS_UNCERTAIN),
    ):
        request = world.request(tool, arguments)
        calling = asyncio.create_task(world.send(request))
        await asyncio.sleep(0.3)
        record = await world.cancel(request.call_id)
        assert record.outcome.status == expected
        assert (await calling).status == expected
    assert (await world.cancel("never-made")).state == State.STATE_UNKNOWN_ID


async def test_runs_do_not_share_an_isolated_server(world: World) -> None:
    await world.apply(world.nasty(isolation="session", tools=READ_ONLY))
    await world.until_ready()
    pids = [value(await world.call("pid", run_id=run))["pid"] for run in ("a", "a", "b")]
    assert pids[0] == pids[1] != pids[2]
    shared = [value(await world.call("pid", run_id=run, tool_session="s"))["pid"] for run in ("c", "d")]
    assert shared[0] == shared[1]


async def test_a_server_that_crashes_at_start_becomes_a_condition(world: World) -> None:
    restart = {"initialDelay": "1s", "maxDelay": "20s", "crashLoopAfter": 2}
    await world.apply(world.nasty(env={"NASTY_CRASH_AT_START": "1"}, restart=restart))

    async def looping() -> bool:
        return bool((await world.condition("CrashLoop")).get("status") == "True")

    await eventually(looping, within=20)
    ready = await world.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("False", "CrashLoop")
    assert "cannot find my configuration" in ready["message"]
    outcome = await world.call("echo", {"text": "x"})
    assert outcome.status == Status.STATUS_UNAVAILABLE
    assert "crash loop" in outcome.message
    assert (await world.list_tools()).unavailable[0].startswith("nasty: crash loop")
    await world.apply(world.nasty(tools=READ_ONLY))
    await world.until_ready()
    assert (await world.condition("CrashLoop"))["status"] == "False"


async def test_what_is_not_enforced_is_refused(world: World) -> None:
    await world.apply(world.nasty(egress=["example.com"]), policy())

    async def told() -> bool:
        return bool((await world.condition("Ready")).get("reason") == "NotEnforced")

    await eventually(told)
    outcome = await world.call("append", {"text": "x"})
    assert outcome.status == Status.STATUS_DENIED
    assert "spec.egress is not enforced" in outcome.message


async def test_secrets_come_from_the_platforms_environment(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = [{"name": "LEDGER_KEY", "secretRef": {"env": "QD_TEST_LEDGER_KEY"}}]
    tools = [{"name": "environment", "effect": "readOnly"}]
    server = world.nasty(tools=tools, secrets=secrets, restart={"initialDelay": "50ms", "maxDelay": "100ms"})
    await world.apply(server)

    async def missing() -> bool:
        return "environment variable QD_TEST_LEDGER_KEY" in (await world.condition("Ready")).get(
            "message", ""
        )

    await eventually(missing)
    monkeypatch.setenv("QD_TEST_LEDGER_KEY", "v4lue")
    monkeypatch.setenv("QD_TEST_OTHER", "not for servers")
    await world.until_ready()
    seen = value(await world.call("environment"))
    assert seen["LEDGER_KEY"] == "v4lue"
    assert "QD_TEST_OTHER" not in seen


async def test_a_tool_that_changes_is_held_until_its_pin_is_accepted(world: World) -> None:
    server = world.nasty(tools=READ_ONLY, pinning={"mode": "strict"})
    await world.apply(server)
    await world.until_ready()
    outcome = await world.call("echo", {"text": "x"})
    assert outcome.status == Status.STATUS_DENIED
    pin = next(tool.pin for tool in (await world.list_tools("nasty")).tools if tool.name == "echo")
    assert pin in outcome.message
    server["metadata"]["annotations"] = {"quarterdeck.dev/accepted-pins": pin}
    await world.apply(server)

    async def accepted() -> bool:
        return bool((await world.call("echo", {"text": "x"})).status == Status.STATUS_OK)

    await eventually(accepted)


async def test_calls_are_counted_by_outcome(world: World) -> None:
    await world.apply(world.nasty(tools=READ_ONLY))
    await world.until_ready()
    await world.call("echo", {"text": "x"})
    await world.call("append", {"text": "x"})
    for status in ("OK", "NEEDS_APPROVAL"):
        assert world.metric("mcp_tool_calls_total", server="nasty", status=status) == 1
    assert world.metric("mcp_tool_call_seconds_count", server="nasty") == 1


async def test_a_write_is_not_sent_when_its_intent_cannot_be_recorded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.apply(world.nasty(), policy())
    await world.until_ready()

    def full(*_: object) -> None:
        raise Unavailable("the disk is full", reason="DiskFull")

    monkeypatch.setattr(store, "begin", full)
    request = world.request("append", {"text": "x"})
    with pytest.raises(Unavailable, match="the intent cannot be recorded: the disk is full"):
        await world.send(request)
    assert world.lines() == []
    monkeypatch.undo()
    assert (await world.send(request)).status == Status.STATUS_OK


async def test_a_deleted_server_is_gone_with_its_process(world: World) -> None:
    await world.apply(world.nasty(tools=READ_ONLY))
    await world.until_ready()
    pid = value(await world.call("pid"))["pid"]
    await world.delete("MCPServer", "nasty")
    await eventually(lambda: not psutil.pid_exists(pid))
    assert (await world.call("pid")).status == Status.STATUS_UNAVAILABLE
    await world.apply(world.nasty(tools=READ_ONLY))
    await world.until_ready()
    assert value(await world.call("pid"))["pid"] != pid


async def test_calls_need_no_registry_once_it_was_seen(world: World) -> None:
    await world.apply(world.nasty(tools=READ_ONLY), policy("deny", match={"tools": ["nasty/append"]}))
    await world.until_ready()
    await world.stop_service("registry")
    await world.restart_manager()
    assert value(await world.call("echo", {"text": "alone"})) == {"text": "alone"}
    assert (await world.call("append", {"text": "x"})).status == Status.STATUS_DENIED


async def test_a_relative_directory_is_the_manifests(world: World) -> None:
    (world.path / "pack").mkdir()
    (world.path / "pack" / "server.py").symlink_to(NASTY)
    local = {"command": [sys.executable, "server.py"]}
    server = manifest("MCPServer", "nasty", {"local": local, "tools": READ_ONLY})
    server["metadata"]["annotations"] = {"quarterdeck.dev/source-directory": str(world.path / "pack")}
    await world.apply(server)
    await world.until_ready()
    assert value(await world.call("echo", {"text": "x"})) == {"text": "x"}
