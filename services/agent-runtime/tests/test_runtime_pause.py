"""A paused run finishes what is in flight, plans nothing, keeps what arrives, and goes on when told."""

import asyncio

import pytest

from quarterdeck.common.errors import FailedPrecondition
from quarterdeck.runtime.testing.harness import Harness


def tool(name, tool_name="echo", **more):
    return {"name": name, "tool": {"server": "s", "name": tool_name, "arguments": {}}, **more}


class Gate:
    """A tool that says when it was entered and ends when it is let."""

    def __init__(self):
        self.entered, self.third, self.open = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.calls = 0

    async def __call__(self, arguments):
        self.calls += 1
        self.entered.set()
        if self.calls == 3:
            self.third.set()
        await self.open.wait()
        return "through"


async def echo(arguments):
    return "echoed"


def harness(folder, gate, *nodes, **workflows):
    specs = {"Workflow/w": {"nodes": list(nodes)}, **{f"Workflow/{k}": v for k, v in workflows.items()}}
    return Harness(folder, specs=specs, tools={"s/gate": gate, "s/echo": echo})


async def paused(h, run):
    async def look():
        row = await h.row(run)
        return row if row.reason.startswith("paused") else None

    row = await h.until(look)
    assert row.state == "waiting"
    return row


async def types(h, run):
    return [event.type for event in await h.journal(run)]


async def test_what_is_in_flight_ends_and_nothing_follows(tmp_path):
    gate = Gate()
    async with harness(tmp_path, gate, tool("a", "gate", next="b"), tool("b")) as h:
        run = await h.start("Workflow", "w", {})
        await gate.entered.wait()
        await h.pause(run, "look first")
        await asyncio.sleep(0.05)
        assert (await h.row(run)).state == "running"  # the effect is still in flight
        gate.open.set()
        assert (await paused(h, run)).reason == "paused: look first"
        found = await types(h, run)
        assert found[-1] == "effect.outcome" and "step.completed" not in found
        await h.resume(run, by="me")
        assert await h.output(run) == "echoed"
        assert gate.calls == 1


async def test_timers_signals_and_decisions_are_kept_but_not_acted_on(tmp_path):
    nodes = [
        {"name": "nap", "wait": {"duration": "50ms"}, "next": "sig"},
        {"name": "sig", "wait": {"signal": {"name": "go"}}, "next": "ask"},
        {"name": "ask", "approval": {"title": "ok?"}},
    ]
    async with harness(tmp_path, Gate(), *nodes) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        await h.pause(run)
        await h.signal(run, "go", 7)
        await asyncio.sleep(0.2)
        await paused(h, run)
        found = await types(h, run)
        assert "timer.fired" in found and "signal.received" in found and "step.completed" not in found
        await h.resume(run)
        asked = await h.until(h.approvals)
        await h.pause(run)
        await paused(h, run)
        await h.approve(asked[0].approval_id)
        await asyncio.sleep(0.1)
        await paused(h, run)
        await h.resume(run)
        assert (await h.output(run))["approved"] is True


async def test_children_stand_still_too_and_go_on_together(tmp_path):
    gate = Gate()
    inner = {"nodes": [tool("x", "gate", next="y"), tool("y")]}
    middle = {"nodes": [{"name": "in", "workflow": {"name": "inner", "input": {}}}]}
    outer = {"name": "m", "map": {"items": [1, 2, 3], "workflow": "middle"}}
    async with harness(tmp_path, gate, outer, middle=middle, inner=inner) as h:
        run = await h.start("Workflow", "w", {})
        await gate.third.wait()
        await h.pause(run)
        tree = await h.tree(run)
        assert len(tree) == 7
        gate.open.set()
        for one in tree:
            await paused(h, one)
        await asyncio.sleep(0.1)
        assert sum(row.finished_at is not None for row in [await h.row(r) for r in tree]) == 0
        await h.resume(run)
        assert await h.output(run) == ["echoed"] * 3
        assert gate.calls == 3


async def test_a_pause_outlives_the_worker(tmp_path):
    gate = Gate()
    async with harness(tmp_path, gate, tool("a", "gate", next="b"), tool("b")) as h:
        run = await h.start("Workflow", "w", {})
        await gate.entered.wait()
        await h.pause(run)
        gate.open.set()
        await paused(h, run)
        await h.worker.drain(1)
        await h.start_worker()
        await asyncio.sleep(0.1)
        await paused(h, run)
        await h.resume(run)
        assert await h.output(run) == "echoed" and gate.calls == 1


async def test_to_cancel_ends_the_pause_and_undoes(tmp_path):
    gate = Gate()
    gate.open.set()
    undo = {"tool": {"server": "s", "name": "echo", "arguments": {"undo": True}}}
    wait = {"name": "sig", "wait": {"signal": {"name": "go"}}}
    async with harness(tmp_path, gate, tool("a", "gate", compensate=undo, next="sig"), wait) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        await h.pause(run)
        await paused(h, run)
        await h.cancel(run)
        assert (await h.wait(run)).state == "cancelled"
        assert h.tools.calls[-1] == ("s/echo", {"undo": True})


async def test_to_pause_and_to_resume_at_once_leaves_nobody_behind(tmp_path):
    gate = Gate()
    inner = {"nodes": [tool("x", "gate")]}
    outer = {"name": "m", "workflow": {"name": "inner", "input": {}}}
    async with harness(tmp_path, gate, outer, inner=inner) as h:
        run = await h.start("Workflow", "w", {})
        await gate.entered.wait()
        for _ in range(5):
            await h.pause(run)
            await h.resume(run)
        gate.open.set()
        assert await h.output(run) == "through"


async def test_a_run_that_is_over_is_not_paused(tmp_path):
    async with harness(tmp_path, Gate(), tool("b")) as h:
        run = await h.start("Workflow", "w", {})
        await h.output(run)
        with pytest.raises(FailedPrecondition, match="is over"):
            await h.pause(run)
