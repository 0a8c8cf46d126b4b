"""Rates of calls, results that are kept, and what a listing leaves out."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_support import Status, World, eventually, policy, value

from quarterdeck.common.errors import Unavailable
from quarterdeck.common.watching import Watched
from quarterdeck.mcp.call import Call
from quarterdeck.mcp.catalog import Effect, ToolRule, read_tools
from quarterdeck.mcp.definition import Definition, read_definition
from quarterdeck.mcp.policy import Rule, always_denied
from quarterdeck.mcp.rates import Rates
from quarterdeck.mcp.result_cache import name_of

# Rates.


def test_a_minutes_calls_may_come_at_once_and_then_steadily() -> None:
    rates = Rates()
    assert [rates.take("t", 0, 6, 100.0) for _ in range(7)] == [0.0] * 6 + [10.0]
    assert rates.take("t", 0, 6, 104.0) == pytest.approx(6.0)
    assert rates.take("t", 0, 6, 110.0) == 0.0
    assert rates.take("t", 0, 6, 110.0) == pytest.approx(10.0)


def test_the_server_counts_all_tools_and_a_refused_call_costs_nothing() -> None:
    rates = Rates()
    assert rates.take("a", 2, 1, 0.0) == 0.0
    # Refused by the tool's own rate: the server's second call is still there for another tool.
    assert rates.take("a", 2, 1, 0.0) == 60.0
    assert rates.take("b", 2, 0, 0.0) == 0.0
    assert rates.take("b", 2, 0, 0.0) == 30.0
    assert rates.take("b", 0, 0, 0.0) == 0.0


def test_a_new_rate_counts_from_now_and_a_clock_set_back_gives_nothing() -> None:
    rates = Rates()
    assert rates.take("a", 0, 1, 1000.0) == 0.0
    assert rates.take("a", 0, 1, 10.0) == 60.0
    assert rates.take("a", 0, 2, 10.0) == 0.0


@given(st.integers(1, 1000), st.lists(st.floats(0, 30), max_size=200))
def test_nobody_gets_more_than_the_rate(per_minute: int, pauses: list[float]) -> None:
    rates, now, made = Rates(), 0.0, 0
    for pause in pauses:
        now += pause
        made += rates.take("t", 0, per_minute, now) == 0.0
    assert made <= per_minute + now * per_minute / 60 + 1e-6


# What is kept.


def called(**more: Any) -> Call:
    base = Call("t", "tenant-1", "c", "s", "echo", {}, 2, "hash", "anna")
    return dataclasses.replace(base, **more)


def of_generation(generation: int, uid: str = "u1") -> Definition:
    document = {"metadata": {"uid": uid, "generation": generation}, "spec": {"local": {"command": ["x"]}}}
    return read_definition(Watched("t", "tenant-1", "MCPServer", "s", "r", document))


def listed(rule: ToolRule, trust: bool = True) -> Any:
    tool = {"name": "echo", "annotations": {"readOnlyHint": True}}
    return read_tools([tool], None, {"echo": rule}, trust)["echo"]


def test_only_the_authors_word_makes_a_result_worth_keeping() -> None:
    assert listed(ToolRule(Effect.READ_ONLY, cache_ttl=5.0)).cache_ttl == 5.0
    # The server's own hint makes the tool read-only, and no more.
    hinted = listed(ToolRule(None, cache_ttl=5.0))
    assert (hinted.effect, hinted.cache_ttl) == (Effect.READ_ONLY, 0.0)
    assert listed(ToolRule(Effect.WRITE, cache_ttl=5.0)).cache_ttl == 0.0


def test_a_name_in_the_cache_is_of_one_tenant_server_tool_and_arguments() -> None:
    definition = of_generation(1)
    tool = listed(ToolRule(Effect.READ_ONLY, cache_ttl=5.0))
    first = name_of(called(), definition, tool)
    others = {
        name_of(called(tenant_id="tenant-2"), definition, tool),
        name_of(called(arguments_hash="other"), definition, tool),
        name_of(called(), of_generation(2), tool),
        name_of(called(), of_generation(1, "u2"), tool),
        name_of(called(), definition, dataclasses.replace(tool, pin="changed")),
    }
    assert len(others) == 5 and first not in others
    # Who asks, and for which run, makes no difference.
    assert name_of(called(call_id="d", run="r", principal="ben", tenant="renamed"), definition, tool) == first


# With a real server.

PID = {"name": "pid", "effect": "readOnly"}


async def hits(world: World) -> float:
    return world.metric("mcp_tool_cache_hit_total", server="nasty") or 0.0


async def test_an_equal_call_gets_the_kept_result(world: World) -> None:
    tools = [{"name": "echo", "effect": "readOnly", "cacheTtl": "1m"}, PID]
    await world.apply(world.nasty(tools=tools))
    await world.until_ready()
    first = await world.call("echo", {"text": "a"})
    again = await world.call("echo", {"text": "a"}, run_id="run-2")
    assert value(first) == value(again) == {"text": "a"}
    assert (first.duration_ms > 0, again.duration_ms, again.replayed) == (True, 0, False)
    assert await hits(world) == 1
    assert value(await world.call("echo", {"text": "b"})) == {"text": "b"}
    await world.call("pid")
    await world.call("pid")
    assert await hits(world) == 1
    # What was answered from the cache is on record under its own call id.
    assert (await world.record(again.call_id)).outcome.result_json == again.result_json
    # A policy that is applied later holds for what is kept too.
    await world.apply(policy("deny", name="no", match={"tools": ["nasty/echo"]}))

    async def denied() -> bool:
        return (await world.call("echo", {"text": "a"})).status == Status.STATUS_DENIED

    await eventually(denied)


async def test_a_changed_server_is_asked_again(world: World) -> None:
    tools = [{"name": "echo", "effect": "readOnly", "cacheTtl": "1m"}]
    await world.apply(world.nasty(tools=tools))
    await world.until_ready()
    await world.call("echo", {"text": "a"})
    await world.apply(world.nasty(tools=tools, description="new"))

    async def asked() -> bool:
        return (await world.call("echo", {"text": "a"})).duration_ms > 0

    await eventually(asked)


async def test_a_failed_result_is_not_kept(world: World) -> None:
    tools = [{"name": "fail", "effect": "readOnly", "cacheTtl": "1m"}]
    await world.apply(world.nasty(tools=tools))
    await world.until_ready()
    for _ in range(2):
        assert (await world.call("fail")).status == Status.STATUS_TOOL_ERROR
    assert await hits(world) == 0


async def test_without_a_cache_calls_go_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any) -> None:
        raise Unavailable("no cache")

    tools = [{"name": "echo", "effect": "readOnly", "cacheTtl": "1m"}]
    await world.apply(world.nasty(tools=tools))
    await world.until_ready()
    monkeypatch.setattr("quarterdeck.common.cache.RedisCache.get", away)
    monkeypatch.setattr("quarterdeck.common.cache.RedisCache.set", away)
    for _ in range(2):
        assert value(await world.call("echo", {"text": "a"})) == {"text": "a"}


async def test_a_call_over_the_rate_is_not_sent_and_says_when(world: World) -> None:
    tools = [{"name": "append", "effect": "write", "callsPerMinute": 2}]
    await world.apply(world.nasty(tools=tools), policy())
    await world.until_ready()
    for text in ("one", "two"):
        value(await world.call("append", {"text": text}, call_id=text))
    refused = await world.call("append", {"text": "three"}, call_id="three")
    assert refused.status == Status.STATUS_UNAVAILABLE
    assert 0 < refused.retry_after_seconds <= 30
    assert "nasty/append was called more often" in refused.message
    assert len(world.lines()) == 2
    # What was sent before is answered from its record, whatever the rate is.
    assert (await world.call("append", {"text": "one"}, call_id="one")).replayed
    await world.restart_manager()
    await world.until_ready()
    for text in ("four", "five"):
        value(await world.call("append", {"text": text}))
    assert (await world.call("append", {"text": "one"}, call_id="one")).replayed
    assert len(world.lines()) == 4


async def test_the_whole_server_has_a_rate(world: World) -> None:
    await world.apply(world.nasty(tools=[PID], limits={"callsPerMinute": 1}))
    await world.until_ready()
    value(await world.call("pid"))
    assert (await world.call("pid")).retry_after_seconds > 0


# Listing.


@pytest.mark.parametrize(
    ("rule", "hidden"),
    [
        ({"effect": "deny"}, True),
        ({"effect": "deny", "tools": ("s/*",)}, True),
        ({"effect": "deny", "agents": ("*",)}, True),
        ({"effect": "redact", "tools": ("s/t",)}, True),
        ({"effect": "deny", "tools": ("other/*",)}, False),
        ({"effect": "deny", "agents": ("a*",)}, False),
        ({"effect": "deny", "when": "arguments.amount > 10"}, False),
        ({"effect": "allow"}, False),
        ({"effect": "requireApproval", "approval": "p"}, False),
    ],
)
def test_what_nobody_may_ever_call(rule: dict[str, Any], hidden: bool) -> None:
    allow = Rule("Policy/p", "a", "allow", priority=9)
    assert always_denied([allow, Rule("Policy/p", "r", **rule)], "s/t") is hidden


async def test_a_tool_that_policy_denies_to_everybody_is_not_listed(world: World) -> None:
    await world.apply(world.nasty(allowedTools=["echo", "append", "pid"]))
    await world.until_ready()

    async def names() -> set[str]:
        return {tool.name for tool in (await world.list_tools("nasty")).tools}

    assert await names() == {"echo", "append", "pid"}
    await world.apply(
        policy("deny", name="no-writes", match={"tools": ["nasty/append"]}),
        policy("deny", name="sometimes", match={"tools": ["nasty/pid"]}, when="${agent == 'x'}"),
    )

    async def settled() -> bool:
        return await names() == {"echo", "pid"}

    await eventually(settled)
    await world.delete("Policy", "no-writes")

    async def back() -> bool:
        return await names() == {"echo", "append", "pid"}

    await eventually(back)
