"""A retry goes on where a run failed: what succeeded is kept, and nothing uncertain is repeated unasked."""

import asyncio

import pytest

from quarterdeck.common import codec
from quarterdeck.common.errors import Conflict, FailedPrecondition
from quarterdeck.runtime.operations.retrying import Retrier
from quarterdeck.runtime.testing.harness import TENANT, Harness
from quarterdeck.runtime.testing.stubs import ToolFailure


def tool(name, tool_name=None, arguments=None, **more):
    body = {"server": "s", "name": tool_name or name, "arguments": arguments or {}}
    return {"name": name, "tool": body, **more}


class World:
    """Tools that count their calls and fail while they are told to."""

    def __init__(self, *failing):
        self.failing, self.counts, self.stuck = set(failing), {}, asyncio.Event()

    def __call__(self, name):
        async def call(arguments):
            what = f"{name}:{arguments['v']}" if "v" in arguments else name
            self.counts[what] = self.counts.get(what, 0) + 1
            if what in self.failing:
                raise ToolFailure(f"{what} failed")
            if f"stuck {what}" in self.failing:
                self.stuck.set()
                await asyncio.sleep(3600)
            if f"lost {what}" in self.failing:
                raise ToolFailure("who knows", status="uncertain", kind="uncertain", policy="fail")
            return arguments.get("v", name)

        return call


def harness(folder, world, *nodes, more=None, **flow):
    specs = {"Workflow/w": {"nodes": list(nodes), **flow}, **(more or {})}
    return Harness(folder, specs=specs, tools={f"s/{name}": world(name) for name in "abcx"})


async def failed(h, **more):
    run = await h.start("Workflow", "w", {}, **more)
    await h.error(run)
    return run


async def retry(h, run, key="", dry_run=False):
    return await Retrier(h.engine).retry(TENANT, run, "me", key, dry_run=dry_run)


async def test_what_succeeded_is_kept(tmp_path):
    world = World("b")
    nodes = [tool("a", next="b"), tool("b", arguments={"got": "${nodes.a.output}"}, next="c"), tool("c")]
    async with harness(tmp_path, world, *nodes) as h:
        run = await failed(h, labels={"team": "x"})
        world.failing.clear()
        would = await retry(h, run, dry_run=True)
        assert (would.kept, would.following, would.uncertain) == (["a"], ["b"], [])
        assert world.counts == {"a": 1, "b": 1}
        again = await retry(h, run)
        assert await h.output(again.run_id) == "c"
        assert world.counts == {"a": 1, "b": 2, "c": 1}
        row = await h.row(again.run_id)
        assert row.forked_from == f"{run}@{(await h.row(run)).last_seq}"
        assert codec.loads(row.labels) == {"team": "x"}
        assert (await h.row(run)).state == "failed"  # the old run stays as it is
        resumed = [e.data for e in await h.journal(again.run_id) if e.type == "run.resumed"]
        assert resumed == [{"by": "me", "retry_of": run}]


async def test_a_run_is_retried_once(tmp_path):
    world = World("b")
    async with harness(tmp_path, world, tool("a", next="b"), tool("b")) as h:
        run, other = await failed(h), await failed(h)
        first = await retry(h, run)
        assert (await retry(h, run)).run_id == first.run_id
        await h.error(first.run_id)
        second = await retry(h, run, key="once more")
        assert second.run_id not in (first.run_id, run)
        with pytest.raises(Conflict):
            await retry(h, other, key="once more")
        await h.error(second.run_id)
        world.failing.clear()
        assert await h.output((await retry(h, first.run_id)).run_id) == "b"  # and so on from the retry
        assert world.counts["a"] == 2


async def test_automatic_attempts_begin_anew(tmp_path):
    world = World("a")
    rule = [{"errors": ["tool"], "attempts": 2, "delay": "1ms"}]
    async with harness(tmp_path, world, tool("a", retry=rule)) as h:
        run = await failed(h)
        assert world.counts["a"] == 2
        await h.error((await retry(h, run)).run_id)
        assert world.counts["a"] == 4


async def test_only_the_failed_items_of_a_map_and_the_failed_step_of_a_child(tmp_path):
    world = World("b:2")
    item = {
        "nodes": [tool("a", arguments={"v": "${input}"}, next="b"), tool("b", arguments={"v": "${input}"})]
    }
    middle = {"nodes": [{"name": "m", "map": {"items": [1, 2, 3], "workflow": "item"}}]}
    node = {"name": "sub", "workflow": {"name": "middle", "input": {}}, "next": "c"}
    more = {"Workflow/middle": middle, "Workflow/item": item}
    async with harness(tmp_path, world, node, tool("c"), more=more, output="${nodes.sub.output}") as h:
        run = await failed(h)
        world.failing.clear()
        before = dict(world.counts)
        again = await retry(h, run)
        assert (len(again.growth.new_runs), len(again.growth.ended_runs)) == (3, 2)
        assert await h.output(again.run_id) == [1, 2, 3]
        assert world.counts == {**before, "b:2": before["b:2"] + 1, "c": 1}
        tree = await h.tree(again.run_id)
        assert len(tree) == 5
        rows = [await h.row(one) for one in tree]
        assert {row.root_run_id for row in rows} == {again.run_id}
        assert {row.state for row in rows} == {"succeeded"}


async def test_only_the_failed_branch_of_a_parallel(tmp_path):
    world = World("b")
    both = {"branches": [tool("a"), tool("b")]}
    async with harness(tmp_path, world, {"name": "p", "parallel": both}) as h:
        run = await failed(h)
        world.failing.clear()
        assert await h.output((await retry(h, run)).run_id) == {"a": "a", "b": "b"}
        assert world.counts == {"a": 1, "b": 2}


async def test_a_cancelled_run_waits_again(tmp_path):
    nodes = [
        tool("a", next="ask"),
        {"name": "ask", "approval": {"title": "ok?"}, "next": "sig"},
        {"name": "sig", "wait": {"signal": {"name": "go"}}},
    ]
    async with harness(tmp_path, World(), *nodes) as h:
        run = await h.start("Workflow", "w", {})
        await h.until(h.approvals)
        await h.cancel(run)
        await h.wait(run)
        again = await retry(h, run)
        asked = await h.until(h.approvals)
        assert [one.run_id for one in asked] == [again.run_id]
        await h.approve(asked[0].approval_id)
        await h.signal(again.run_id, "go", 5)
        assert await h.output(again.run_id) == 5


async def test_a_timeout_starts_again(tmp_path):
    world = World()
    nodes = [tool("a", next="sig"), {"name": "sig", "wait": {"signal": {"name": "go"}}}]
    async with harness(tmp_path, world, *nodes, timeout="100ms") as h:
        run = await h.start("Workflow", "w", {})
        assert (await h.wait(run)).state == "timed-out"
        again = await retry(h, run)
        assert (await h.wait(again.run_id)).state == "timed-out"
        again = await retry(h, again.run_id)
        await h.signal(again.run_id, "go", 5)
        assert await h.output(again.run_id) == 5
        assert world.counts == {"a": 1}


async def test_a_timeout_of_a_node_with_children_keeps_what_they_did(tmp_path):
    world = World("stuck b")
    inner = {"nodes": [tool("a", next="b"), tool("b")]}
    node = {"name": "sub", "workflow": {"name": "inner", "input": {}}, "timeout": "1s"}
    async with harness(tmp_path, world, node, more={"Workflow/inner": inner}) as h:
        run = await h.start("Workflow", "w", {})
        await world.stuck.wait()
        await asyncio.sleep(1.1)
        await h.terminate((await h.tree(run))[1])
        assert (await h.wait(run)).state == "failed"
        world.failing.clear()
        again = await retry(h, run)
        asked = await h.until(h.approvals)  # what became of b is not known
        await h.approve(asked[0].approval_id)
        assert await h.output(again.run_id) == "b"
        assert world.counts == {"a": 1, "b": 2}


@pytest.mark.parametrize("how", ["terminated", "given up", "policy"])
async def test_what_is_not_known_is_asked_about(tmp_path, how):
    world = World("stuck b" if how == "terminated" else "lost b")
    node = tool("b", next="c")
    async with harness(tmp_path, world, tool("a", next="b"), node, tool("c")) as h:
        run = await h.start("Workflow", "w", {})
        if how == "terminated":
            await world.stuck.wait()
            await h.terminate(run)
        await h.wait(run)
        if how == "given up":
            first = (await retry(h, run)).run_id
            await h.approve((await h.until(h.approvals))[0].approval_id, yes=False)
            await h.wait(first)
            run = first
        world.failing.clear()
        again = await retry(h, run)
        assert again.uncertain == ["b"]
        asked = await h.until(h.approvals)
        assert world.counts["b"] == 1 and asked[0].source == "effect"
        await h.resume(again.run_id, resolution="done", outcome="it was done", effect="")
        assert await h.output(again.run_id) == "c"
        assert world.counts == {"a": 1, "b": 1, "c": 1}


async def test_the_loser_of_a_race_is_not_waited_for_again(tmp_path):
    """A run that was terminated never heard of the end of a child that its path had left behind."""
    world = World("stuck b")
    race = {
        "name": "race",
        "parallel": {
            "branches": [tool("a"), {"name": "slow", "workflow": {"name": "sleeper", "input": {}}}],
            "join": "any",
        },
        "next": "b",
    }
    sleeper = {"Workflow/sleeper": {"nodes": [{"name": "nap", "wait": {"duration": "1h"}}]}}
    async with harness(tmp_path, world, race, tool("b"), more=sleeper) as h:
        run = await h.start("Workflow", "w", {})
        await world.stuck.wait()
        await h.terminate(run)
        await h.wait(run)
        again = await retry(h, run)
        await h.until(h.approvals)
        await h.resume(again.run_id, resolution="done", outcome="it was done", effect="")
        assert await h.output(again.run_id) == "it was done"


async def test_what_was_undone_is_refused(tmp_path):
    undo = {"tool": {"server": "s", "name": "x", "arguments": {}}}
    async with harness(tmp_path, World("b"), tool("a", compensate=undo, next="b"), tool("b")) as h:
        run = await failed(h)
        with pytest.raises(FailedPrecondition, match="was undone: a") as refused:
            await retry(h, run)
        assert refused.value.reason == "Compensated" and "from the beginning" in refused.value.hint


async def test_what_cannot_be_retried(tmp_path):
    world = World("a")
    wait = {"name": "sig", "wait": {"signal": {"name": "go"}}}
    async with harness(tmp_path, world, tool("a", next="sig"), wait) as h:
        run = await failed(h, key="k")
        world.failing.clear()
        holder = await h.start("Workflow", "w", {}, key="k")
        with pytest.raises(FailedPrecondition, match="'k' is open"):
            await retry(h, run)
        with pytest.raises(FailedPrecondition, match="is not over"):
            await retry(h, holder)
        await h.signal(holder, "go")
        await h.output(holder)
        with pytest.raises(FailedPrecondition, match="has succeeded"):
            await retry(h, holder)


async def test_a_run_that_never_began_begins(tmp_path):
    world = World()
    wait = {"name": "sig", "wait": {"signal": {"name": "go"}}}
    async with harness(tmp_path, world, wait) as h:
        ahead = await h.start("Workflow", "w", {}, key="k", key_conflict="queue")
        behind = await h.start("Workflow", "w", {}, key="k", key_conflict="queue")
        await h.terminate(behind)
        await h.terminate(ahead)
        again = await retry(h, behind)
        assert again.following == ["(the beginning)"]
        await h.signal(again.run_id, "go", 1)
        assert await h.output(again.run_id) == 1


async def test_what_fails_in_finally_is_retried_there(tmp_path):
    world = World("c")
    async with harness(tmp_path, world, tool("a"), tool("c"), **{"finally": "c"}) as h:
        run = await failed(h)
        world.failing.clear()
        assert (await h.wait((await retry(h, run)).run_id)).state == "succeeded"
        assert world.counts == {"a": 1, "c": 2}
