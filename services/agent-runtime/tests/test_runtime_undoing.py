"""Cancelled or failed, a run undoes what it did, and nothing follows its end."""

import asyncio

from runtime_kit.corners import harness, signal, tool, undo, undone, until

from quarterdeck.common.errors import InvalidArgument
from quarterdeck.runtime.execution import executor, performing
from quarterdeck.runtime.operations import deliveries
from quarterdeck.runtime.testing.harness import TENANT


async def test_what_ended_while_the_cancel_arrived_is_undone(tmp_path):
    async def cancelled_meanwhile(arguments):
        await h.database.write(deliveries.cancel, TENANT, runs[0], "", "me", h.clock.now())
        h.worker._executors[runs[0]].poke()
        return arguments

    runs = []
    nodes = signal("s", next="a"), tool("a", "late", {"n": 1}, compensate=undo(n="${output.n}"))
    async with harness(tmp_path, *nodes, tools={"late": cancelled_meanwhile}) as h:
        runs.append(await h.start("Workflow", "w", {}))
        await h.wait(runs[0], "waiting")
        await h.signal(runs[0], "go")
        assert (await h.wait(runs[0])).state == "cancelled"
        assert undone(h) == [{"n": 1}]


async def test_the_last_visit_of_a_loop_that_is_too_long_is_undone_too(tmp_path):
    async with harness(tmp_path, tool("a", next="a", maxVisits=2, compensate=undo(n=1))) as h:
        assert (await h.error(await h.start("Workflow", "w", {})))["class"] == "limit"
        assert len(undone(h)) == 2


async def test_branches_are_undone(tmp_path):
    branches = [tool("x", arguments={"n": 1}, compensate=undo(n="${output.n}")), tool("y", "broken")]
    async with harness(tmp_path, {"name": "p", "parallel": {"branches": branches}}) as h:
        assert (await h.error(await h.start("Workflow", "w", {})))["message"] == "no"
        assert undone(h) == [{"n": 1}]


async def test_a_run_over_a_limit_undoes_what_it_did(tmp_path):
    listen = {"name": "b", "wait": {"signal": {"name": "${input}" * 4}}}
    nodes = tool("a", compensate=undo(n=1), next="b"), listen
    async with harness(tmp_path, *nodes) as h:
        error = await h.error(await h.start("Workflow", "w", "x" * 20_000))
        assert error["class"] == "limit" and "signal.awaited" in error["message"]
        assert undone(h) == [{"n": 1}]


async def test_a_map_whose_items_all_ended_is_undone_though_its_join_came_late(tmp_path, monkeypatch):
    async def late_join(engine, facts, step):
        await h.database.write(deliveries.cancel, TENANT, facts.run_id, "", "me", h.clock.now())
        h.worker._executors[facts.run_id].poke()
        await asyncio.sleep(0.1)
        return await join(engine, facts, step)

    join = performing.join_children
    monkeypatch.setattr(performing, "join_children", late_join)
    body = {"items": "${[1, 2]}", "tool": {"server": "s", "name": "echo", "arguments": {"n": "${item}"}}}
    async with harness(tmp_path, {"name": "m", "map": body, "compensate": undo(all="${output}")}) as h:
        assert (await h.wait(await h.start("Workflow", "w", {}))).state == "cancelled"
        assert undone(h) == [{"all": [{"n": 1}, {"n": 2}]}]


async def test_an_undo_that_cannot_be_rendered_does_not_stop_the_others(tmp_path):
    async def cancelled_meanwhile(arguments):
        await h.cancel(runs[0])
        await asyncio.sleep(0.1)
        return arguments

    runs = []
    nodes = (
        signal("s", next="a"),
        tool("a", next="b", compensate=undo(n=1)),
        tool("b", "late", compensate=undo(n="${output.missing.more}")),
    )
    async with harness(tmp_path, *nodes, tools={"late": cancelled_meanwhile}) as h:
        runs.append(await h.start("Workflow", "w", {}))
        await h.wait(runs[0], "waiting")
        await h.signal(runs[0], "go")
        assert (await h.wait(runs[0])).state == "cancelled"
        assert undone(h) == [{"n": 1}]


async def test_the_first_to_succeed_stops_the_maps_beside_it(tmp_path):
    branches = [
        tool("x"),
        {"name": "y", "map": {"items": "${[1, 2]}", "workflow": "slow"}},
    ]
    specs = {"Workflow/slow": {"nodes": [signal("never", "never")]}}
    nodes = {"name": "p", "parallel": {"branches": branches, "join": "any"}, "next": "z"}, signal("z")
    async with harness(tmp_path, *nodes, specs=specs) as h:
        run = await h.start("Workflow", "w", {})

        async def children_over():
            _, *children = [await h.row(one) for one in await h.tree(run)]
            return len(children) == 2 and all(child.state == "cancelled" for child in children)

        await until(children_over)


async def test_nothing_follows_the_end_of_a_run(tmp_path, monkeypatch):
    async def refuse(value, schema, field="input"):
        child = (await h.tree(run))[-1]
        await h.cancel(child)
        raise InvalidArgument("no")

    monkeypatch.setattr(executor, "check_input", refuse)
    specs = {"Workflow/c": {"input": {"schema": {"type": "string"}}, "nodes": [tool("a")]}}
    nodes = signal("s", next="sub"), {"name": "sub", "workflow": {"name": "c"}}
    async with harness(tmp_path, *nodes, specs=specs) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        await h.signal(run, "go")
        await h.wait(run)
        journal = await h.journal((await h.tree(run))[-1])
        assert [event.type for event in journal] == ["run.started", "run.failed"]
