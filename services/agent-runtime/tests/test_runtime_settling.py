"""Runs and attempts that are given up: what is unknown is found out, and what is at work is waited for."""

import asyncio

import pytest

from quarterdeck.runtime.effects.outcomes import failed, succeeded
from quarterdeck.runtime.events import Event
from quarterdeck.runtime.reducer import fold
from quarterdeck.runtime.testing.harness import Harness
from quarterdeck.runtime.testing.stubs import LocalModels, ToolFailure

UNDO = {"tool": {"server": "s", "name": "undo", "arguments": {"was": "${output}"}}}


def tool(name, tool_name="echo", arguments=None, **more):
    return {"name": name, "tool": {"server": "s", "name": tool_name, "arguments": arguments or {}}, **more}


async def echo(arguments):
    return arguments


class Checks:
    """Answers checks with a verdict of the test's choice."""

    def __init__(self, verdict):
        self._verdict = verdict
        self.asked = []

    async def perform(self, facts, definition, state, effect):
        self.asked.append(effect.checks)
        if self._verdict == "done":
            return [succeeded(effect, {"found": 1})]
        if self._verdict == "not_done":
            return [failed(effect, "not_done", "uncertain", "it was not done")]
        return [failed(effect, "uncertain", "uncertain", "who knows", policy="ask", check=None)]


class House:
    """A run that is cancelled during its only call; what became of the first call is uncertain."""

    def __init__(self, tmp_path, policy, check=None, verdict="done", specs=None, **more):
        self.calls = 0
        self.checks = Checks(verdict)
        self.error = {"policy": policy, "check": check, "kind": "uncertain", "status": "uncertain"}
        specs = specs or {"Workflow/w": {"nodes": [tool("a", "dies", compensate=UNDO)]}}
        tools = {"s/dies": self.dies, "s/undo": echo, "s/echo": echo}
        performers = {"check": self.checks, **more.pop("performers", {})}
        self.h = Harness(tmp_path, specs=specs, tools=tools, performers=performers, **more)
        self.run = ""
        self._known = asyncio.Event()

    async def dies(self, arguments):
        self.calls += 1
        if self.calls > 1:
            return {"call": self.calls}
        await self._known.wait()
        await self.h.cancel(self.run)
        await asyncio.sleep(0.05)
        raise ToolFailure("it died", **self.error)

    async def start(self, kind="Workflow", name="w"):
        self.run = await self.h.start(kind, name, {})
        self._known.set()
        return self.run

    def undone(self):
        return [arguments["was"] for name, arguments in self.h.tools.calls if name == "s/undo"]

    async def question(self):
        await self.h.wait(self.run, "waiting")
        (asked,) = await self.h.approvals()
        assert asked.source == "effect" and "stopping" in asked.summary
        return asked


@pytest.mark.parametrize(
    ("policy", "verdict", "undone", "calls"),
    [
        ("check", "done", [{"found": 1}], 1),
        ("check", "not_done", [], 1),
        ("retry", "", [{"call": 2}], 2),
        ("fail", "", [], 1),
    ],
)
async def test_a_cancelled_run_finds_out_before_it_undoes(tmp_path, policy, verdict, undone, calls):
    check = {"tool": "look"} if policy == "check" else None
    house = House(tmp_path, policy, check, verdict)
    async with house.h as h:
        assert (await h.wait(await house.start())).state == "cancelled"
        assert (house.undone(), house.calls) == (undone, calls)
        assert len(house.checks.asked) == (1 if policy == "check" else 0)


@pytest.mark.parametrize("resolution", ["done", "retry", "fail"])
async def test_a_cancelled_run_asks_and_ends_after_the_answer(tmp_path, resolution):
    house = House(tmp_path, "check", {"tool": "look"}, "unknown")
    async with house.h as h:
        run = await house.start()
        await house.question()
        await h.resume(run, resolution=resolution, outcome={"told": 1})
        assert (await h.wait(run)).state == "cancelled"
        undone = {"done": [{"told": 1}], "retry": [{"call": 2}], "fail": []}
        assert house.undone() == undone[resolution]
        assert not await h.approvals()


async def test_a_call_that_may_not_be_tried_again_is_asked_about(tmp_path):
    house = House(tmp_path, "retry")

    async def dies(arguments):
        if house.calls:
            raise ToolFailure("ask first", status="needs_approval", kind="policy", approval_policy="p")
        return await house.dies(arguments)

    house.h.tools.tools["s/dies"] = dies
    async with house.h as h:
        run = await house.start()
        asked = await house.question()
        await h.approve(asked.approval_id, yes=False)
        assert (await h.wait(run)).state == "cancelled" and house.undone() == []


async def test_an_open_question_about_an_effect_outlasts_the_cancel(tmp_path):
    async def dies(arguments):
        raise ToolFailure("it died", status="uncertain", kind="uncertain", policy="ask")

    specs = {"Workflow/w": {"nodes": [tool("a", "dies", compensate=UNDO)]}}
    async with Harness(tmp_path, specs=specs, tools={"s/dies": dies, "s/undo": echo}) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        await h.cancel(run)
        await asyncio.sleep(0.1)
        assert len(await h.approvals()) == 1
        assert (await h.row(run)).state == "waiting"
        await h.resume(run, resolution="done", outcome=7)
        assert (await h.wait(run)).state == "cancelled"
        assert [a for name, a in h.tools.calls if name == "s/undo"] == [{"was": 7}]


async def test_a_cancelled_agent_asks_before_it_ends(tmp_path):
    async def model(facts, state):
        block = {"type": "toolUse", "id": "u", "name": "dies", "arguments": {}}
        return {"role": "assistant", "content": [block]}

    spec = {"instructions": "x", "tools": [{"server": "s", "names": ["dies"]}]}
    house = House(tmp_path, "ask", specs={"Agent/a": spec}, performers={"model": LocalModels(model)})
    async with house.h as h:
        run = await house.start("Agent", "a")
        asked = await house.question()
        await h.approve(asked.approval_id, yes=False)
        assert (await h.wait(run)).state == "cancelled" and house.calls == 1


async def test_all_errors_does_not_mean_what_may_have_been_done(tmp_path):
    calls = []

    async def dies(arguments):
        calls.append(1)
        raise ToolFailure("it died", status="uncertain", kind="uncertain", policy="fail")

    for name, errors, expected in (("any", ["*"], 1), ("named", ["uncertain"], 2)):
        calls.clear()
        (tmp_path / name).mkdir()
        retry = [{"errors": errors, "attempts": 2, "delay": "1ms"}]
        specs = {"Workflow/w": {"nodes": [tool("a", "dies", retry=retry)]}}
        async with Harness(tmp_path / name, specs=specs, tools={"s/dies": dies}) as h:
            assert (await h.error(await h.start("Workflow", "w", {})))["class"] == "uncertain"
            assert len(calls) == expected


# -- attempts that took too long -----------------------------------------------------------------------


def slow_child(seconds, marks):
    """A child whose tool takes its time: it cannot stop before that has ended."""

    async def slow(arguments):
        marks.append("begins")
        await asyncio.sleep(seconds)
        marks.append("ends")
        return "late"

    return slow


async def test_a_retry_waits_for_the_child_that_took_too_long(tmp_path):
    marks = []
    retry = [{"errors": ["timeout"], "attempts": 2, "delay": "1ms"}]
    node = {"name": "sub", "workflow": {"name": "c"}, "timeout": "50ms", "retry": retry}
    specs = {
        "Workflow/w": {"nodes": [node]},
        "Workflow/c": {"nodes": [tool("t", "slow", next="u"), tool("u")]},
    }
    tools = {"s/slow": slow_child(0.3, marks), "s/echo": echo}
    async with Harness(tmp_path, specs=specs, tools=tools) as h:
        assert (await h.error(await h.start("Workflow", "w", {})))["class"] == "timeout"
        assert marks == ["begins", "ends", "begins", "ends"]


async def test_a_child_that_succeeds_in_spite_of_the_stop_has_succeeded(tmp_path):
    marks = []
    node = {"name": "sub", "workflow": {"name": "c"}, "timeout": "50ms"}
    final = {"nodes": [tool("t")], "finally": "last"}
    final["nodes"].append(tool("last", "slow"))
    specs = {"Workflow/w": {"nodes": [node]}, "Workflow/c": final}
    async with Harness(tmp_path, specs=specs, tools={"s/slow": slow_child(0.3, marks), "s/echo": echo}) as h:
        assert await h.output(await h.start("Workflow", "w", {})) is not None


async def test_branches_of_a_parallel_that_took_too_long_come_to_rest_and_are_undone(tmp_path):
    marks = []
    branches = [
        tool("x", "slow", compensate=UNDO),
        {"name": "y", "workflow": {"name": "c"}},
        tool("z", compensate=UNDO),
    ]
    node = {"name": "p", "parallel": {"branches": branches}, "timeout": "50ms"}
    specs = {
        "Workflow/w": {"nodes": [node]},
        "Workflow/c": {"nodes": [tool("t", "slow", next="u"), tool("u", "never")]},
    }
    tools = {"s/slow": slow_child(0.3, marks), "s/echo": echo, "s/undo": echo}
    async with Harness(tmp_path, specs=specs, tools=tools) as h:
        run = await h.start("Workflow", "w", {})
        assert (await h.error(run))["class"] == "timeout"
        undone = [arguments["was"] for name, arguments in h.tools.calls if name == "s/undo"]
        assert marks.count("ends") == 2 and sorted(map(str, undone)) == ["late", "{}"]
        assert ("s/never", {}) not in h.tools.calls
        _, child = [await h.row(one) for one in await h.tree(run)]
        assert child.state == "cancelled"


async def test_a_map_that_took_too_long_starts_nothing_more(tmp_path):
    marks = []
    body = {"items": "${[1, 2, 3, 4]}", "workflow": "c", "maxConcurrency": 2}
    retry = [{"errors": ["timeout"], "attempts": 2, "delay": "1ms"}]
    node = {"name": "m", "map": body, "timeout": "50ms", "retry": retry}
    specs = {
        "Workflow/w": {"nodes": [node]},
        "Workflow/c": {"nodes": [tool("t", "slow", next="u"), tool("u")]},
    }
    tools = {"s/slow": slow_child(0.2, marks), "s/echo": echo}
    async with Harness(tmp_path, specs=specs, tools=tools) as h:
        assert (await h.error(await h.start("Workflow", "w", {})))["class"] == "timeout"
        assert marks == (["begins"] * 2 + ["ends"] * 2) * 2


async def test_a_run_is_not_over_before_the_losers_of_a_race_are(tmp_path):
    marks = []
    branches = [tool("x"), {"name": "y", "workflow": {"name": "c"}}]
    node = {"name": "p", "parallel": {"branches": branches, "join": "any"}}
    specs = {"Workflow/w": {"nodes": [node]}, "Workflow/c": {"nodes": [tool("t", "slow")]}}
    tools = {"s/slow": slow_child(0.2, marks), "s/echo": echo}
    async with Harness(tmp_path, specs=specs, tools=tools) as h:
        await h.output(await h.start("Workflow", "w", {}))
        assert marks in ([], ["begins", "ends"])


def test_a_second_try_that_could_not_be_made_says_nothing_of_the_first():
    def outcome(effect, status):
        error = {"class": status, "message": "x", "effect": effect}
        return Event("effect.outcome", {"effect": effect, "status": status, "error": error})

    def intent(effect):
        target = {"server": "s", "tool": "t"}
        return Event("effect.intent", {"effect": effect, "step": "a", "kind": "tool", "target": target})

    journal = [
        Event("run.started", {"kind": "Workflow", "name": "w", "tenant": "t"}),
        Event("step.started", {"step": "a", "node": "a", "kind": "tool"}),
        intent("e1"),
        outcome("e1", "uncertain"),
        Event("step.retrying", {"step": "a", "attempt": 2}),
        intent("e2"),
        outcome("e2", "unavailable"),
    ]
    assert fold("r", journal).steps["a"].uncertain == "e1"
    stopped = fold("r", [*journal, Event("run.stopping", {"error": {"class": "cancelled"}})])
    assert "a" in stopped.steps
    for status, uncertain in (("denied", "e1"), ("needs_approval", "e1"), ("error", ""), ("not_done", "")):
        assert fold("r", [*journal[:-1], outcome("e2", status)]).steps["a"].uncertain == uncertain
