"""Terminated runs end at once: no undo, no finally, and what was in flight is said to be unknown."""

import asyncio

from quarterdeck.common import codec
from quarterdeck.runtime.operations.effects_view import list_effects
from quarterdeck.runtime.store.inbox import Delivery, deliver
from quarterdeck.runtime.tables import INBOX, RUN_QUEUE, TIMERS
from quarterdeck.runtime.testing.harness import TENANT, Harness
from quarterdeck.runtime.testing.stubs import ToolFailure


def tool(name, tool_name="echo", **more):
    return {"name": name, "tool": {"server": "s", "name": tool_name, "arguments": {}}, **more}


async def echo(arguments):
    return "echoed"


class Stuck:
    """A tool that never answers."""

    def __init__(self):
        self.entered, self.dropped = asyncio.Event(), False

    async def __call__(self, arguments):
        self.entered.set()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            self.dropped = True
            raise


UNDO = {"tool": {"server": "s", "name": "echo", "arguments": {"undo": True}}}


def harness(folder, stuck, workflows, **more):
    tools = {"s/stuck": stuck, "s/echo": echo, **more}
    return Harness(folder, specs={f"Workflow/{k}": v for k, v in workflows.items()}, tools=tools)


async def effects(h, run):
    found = await h.database.read(list_effects, TENANT.id, run, include_children=True)
    return {(one.run_id, one.effect_id): one for one in found}


async def test_it_ends_at_once_and_says_what_is_not_known(tmp_path):
    stuck = Stuck()
    nodes = [tool("a", compensate=UNDO, next="b"), tool("b", "stuck"), tool("last")]
    async with harness(tmp_path, stuck, {"w": {"nodes": nodes, "finally": "last"}}) as h:
        run = await h.start("Workflow", "w", {})
        await stuck.entered.wait()
        await h.terminate(run, "enough")
        row = await h.row(run)  # without waiting
        assert (row.state, row.reason) == ("cancelled", "terminated: enough")
        error = codec.loads(row.error)
        assert (error["class"], error["terminated"], error["by"]) == ("cancelled", True, "test:user")
        found = await effects(h, run)
        assert [(e.target, e.state) for e in found.values()] == [("s/echo", "done"), ("s/stuck", "abandoned")]
        last = await h.journal(run)
        assert [e.type for e in last[-2:]] == ["effect.outcome", "run.cancelled"]
        assert last[-1].data["abandoned"] == ["e2"] and row.last_seq == len(last)

        async def dropped():
            return stuck.dropped

        await h.until(dropped)
        assert h.tools.calls == [("s/echo", {}), ("s/stuck", {})]  # neither undone nor `finally`


async def test_children_end_too_and_nothing_is_left_over(tmp_path):
    stuck = Stuck()
    workflows = {
        "w": {"nodes": [{"name": "m", "map": {"items": [1, 2, 3], "workflow": "middle"}}], "timeout": "1h"},
        "middle": {"nodes": [{"name": "in", "workflow": {"name": "inner", "input": {}}}]},
        "inner": {"nodes": [tool("x", "stuck")]},
    }
    async with harness(tmp_path, stuck, workflows) as h:
        run = await h.start("Workflow", "w", {})

        async def complete():
            return len(await h.tree(run)) == 7

        await h.until(complete)
        await h.terminate(run)
        rows = [await h.row(one) for one in await h.tree(run)]
        assert {row.state for row in rows} == {"cancelled"}
        for table in (RUN_QUEUE, INBOX, TIMERS):
            assert await h.look(table.select()) == []
        await h.terminate(run)  # once more: nothing happens
        assert [row.last_seq for row in rows] == [(await h.row(row.run_id)).last_seq for row in rows]


async def test_the_parent_of_a_terminated_child_goes_on(tmp_path):
    stuck = Stuck()
    child = {"name": "c", "workflow": {"name": "inner", "input": {}}}
    catch = {"catch": [{"errors": ["cancelled"], "to": "after"}]}
    workflows = {
        "w": {"nodes": [{**child, **catch}, tool("after")]},
        "inner": {"nodes": [tool("x", "stuck")]},
    }
    async with harness(tmp_path, stuck, workflows) as h:
        run = await h.start("Workflow", "w", {})
        await stuck.entered.wait()
        await h.terminate((await h.tree(run))[1])
        assert await h.output(run) == "echoed"


async def test_a_run_that_nobody_can_advance_ends(tmp_path):
    async def broken(arguments):
        raise ToolFailure("no")

    nodes = [{"name": "s", "wait": {"signal": {"name": "go"}}}]
    async with harness(tmp_path, Stuck(), {"w": {"nodes": nodes}}, broken=broken) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")

        def poison(connection):
            deliver(connection, Delivery(run, TENANT.id, "nonsense", {}), h.clock.now(), [], {})

        await h.database.write(poison)
        await h.worker.wake([run], {})
        await h.wait(run, "quarantined")
        await h.terminate(run)
        assert (await h.row(run)).state == "cancelled"


async def test_who_waits_for_the_same_key_is_next(tmp_path):
    stuck = Stuck()
    async with harness(tmp_path, stuck, {"w": {"nodes": [tool("x", "stuck")]}}) as h:
        first = await h.start("Workflow", "w", {}, key="k", key_conflict="queue")
        await stuck.entered.wait()
        second = await h.start("Workflow", "w", {}, key="k", key_conflict="queue")
        stuck.entered.clear()
        await h.terminate(first)
        await asyncio.wait_for(stuck.entered.wait(), 5)
        await h.terminate(second)


async def test_large_families_end_page_by_page(tmp_path, monkeypatch):
    from quarterdeck.runtime.operations import terminating

    monkeypatch.setattr(terminating, "PAGE", 4)
    stuck = Stuck()
    workflows = {
        "w": {"nodes": [{"name": "m", "map": {"items": list(range(11)), "workflow": "inner"}}]},
        "inner": {"nodes": [tool("x", "stuck")]},
    }
    async with harness(tmp_path, stuck, workflows) as h:
        run = await h.start("Workflow", "w", {})

        async def complete():
            return len(await h.tree(run)) == 12

        await h.until(complete)
        await h.terminate(run)
        assert {(await h.row(one)).state for one in await h.tree(run)} == {"cancelled"}
