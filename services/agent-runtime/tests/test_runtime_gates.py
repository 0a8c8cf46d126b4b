"""Turns and keys: who goes first, at one gate and at two, roots and children."""

import asyncio

import pytest
from sqlalchemy import select

from quarterdeck.common.errors import AlreadyExists
from quarterdeck.runtime.rpcs.translate import label_tests
from quarterdeck.runtime.store import gates
from quarterdeck.runtime.store.runs import RunFilter, list_runs
from quarterdeck.runtime.tables import RUN_QUEUE, RUNS
from quarterdeck.runtime.testing.harness import TENANT, Harness
from quarterdeck.runtime.testing.stubs import LocalModels
from quarterdeck.runtime.testing.transcripts import say

WAIT = {"Workflow/w": {"nodes": [{"name": "s", "wait": {"signal": {"name": "go"}}}]}}


async def gated(h):
    query = select(RUN_QUEUE.c.run_id).where(RUN_QUEUE.c.status == "gated")
    return set(await h.database.read(lambda connection: connection.execute(query).scalars().all()))


async def go(h, run):
    await h.wait(run, "waiting")
    await h.signal(run, "go")
    await h.output(run)


async def test_a_run_with_a_session_and_a_key_waits_for_both(tmp_path):
    async with Harness(tmp_path, specs=WAIT) as h:
        turn = await h.start("Workflow", "w", {}, session="s")
        keyed = await h.start("Workflow", "w", {}, key="k")
        both = await h.start("Workflow", "w", {}, session="s", key="k", key_conflict="queue")
        later = await h.start("Workflow", "w", {}, session="s")
        assert await gated(h) == {both, later}
        await go(h, turn)
        assert await gated(h) == {both, later}
        await go(h, keyed)
        await h.wait(both, "waiting")
        assert await gated(h) == {later}
        await go(h, both)
        await go(h, later)


async def test_the_rule_of_a_key_holds_for_a_run_with_a_session_too(tmp_path):
    async with Harness(tmp_path, specs=WAIT) as h:
        first = await h.start("Workflow", "w", {}, session="s", key="k")
        with pytest.raises(AlreadyExists):
            await h.start("Workflow", "w", {}, session="other", key="k")
        assert await h.start("Workflow", "w", {}, session="s", key="k", key_conflict="join") == first
        # Another key of the same session only waits for its turn.
        other = await h.start("Workflow", "w", {}, session="s", key="k2")
        assert other != first and await gated(h) == {other}
        newer = await h.start("Workflow", "w", {}, session="s2", key="k", key_conflict="replace")
        assert (await h.wait(first)).state == "cancelled"
        await go(h, newer)
        await go(h, other)


async def test_nobody_waits_in_a_circle(tmp_path):
    async with Harness(tmp_path, specs=WAIT) as h:
        names = [("a", "x"), ("b", "y"), ("a", "y"), ("b", "x"), ("a", "x"), ("", "y"), ("b", "")]
        runs = [
            await h.start("Workflow", "w", {}, session=session, key=key, key_conflict="queue")
            for session, key in names
        ]
        for run in runs:
            await go(h, run)


async def test_a_cancelled_run_that_waits_at_two_gates_lets_the_next_pass(tmp_path):
    async with Harness(tmp_path, specs=WAIT) as h:
        first = await h.start("Workflow", "w", {}, session="s")
        both = await h.start("Workflow", "w", {}, session="s", key="k")
        last = await h.start("Workflow", "w", {}, session="s", key="k", key_conflict="queue")
        await h.cancel(both)
        assert (await h.wait(both)).state == "cancelled"
        assert await gated(h) == {last}
        await go(h, first)
        await go(h, last)


# -- children ------------------------------------------------------------------------------------------


def turn_node(name, session="talk", **more):
    return {"name": name, "agent": {"name": "a", "input": f"{name}", "session": session}, **more}


def agents(tmp_path, model, *nodes):
    specs = {"Workflow/w": {"nodes": list(nodes)}, "Agent/a": {"instructions": "x"}}
    return Harness(tmp_path, specs=specs, performers={"model": LocalModels(model)})


async def test_children_of_a_session_take_turns_and_remember(tmp_path):
    busy, most = [], []

    async def model(facts, state):
        busy.append(facts.run_id)
        most.append(len(busy))
        await asyncio.sleep(0.02)
        busy.pop()
        texts = [block["text"] for message in state.agent.messages for block in message["content"]]
        return say("+".join(texts))

    branches = [turn_node("x"), turn_node("y"), turn_node("z", session="other")]
    async with agents(tmp_path, model, {"name": "p", "parallel": {"branches": branches}}) as h:
        run = await h.start("Workflow", "w", {})
        output = await h.output(run)
        assert output == {"x": "x", "y": "x+x+y", "z": "z"}
        assert max(most) <= 2


async def test_a_gated_child_is_cancelled_with_its_parent(tmp_path):
    async def model(facts, state):
        await asyncio.sleep(0.1)
        return say("late")

    both = {"name": "p", "parallel": {"branches": [turn_node("x"), turn_node("y")]}}
    async with agents(tmp_path, model, both) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        assert len(await gated(h)) == 1
        await h.cancel(run)
        assert (await h.wait(run)).state == "cancelled"
        assert [(await h.row(one)).state for one in await h.tree(run)] == ["cancelled"] * 3


async def test_a_child_whose_ancestor_has_the_turn_takes_part_in_it(tmp_path):
    async with Harness(tmp_path, specs=WAIT) as h:
        run = await h.start("Workflow", "w", {}, session="s")
        stranger = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        row = {"tenant_id": TENANT.id, "session": "s", "queue_status": "ready"}
        rows = [{**row, "run_id": "below", "parent_run_id": run}]
        rows += [{**row, "run_id": "beside", "parent_run_id": stranger}]
        held = await h.database.read(gates.hold_back, rows)
        assert [one["queue_status"] for one in held] == ["ready", "gated"]
        assert len(await h.look(select(RUNS.c.run_id))) == 2


# -- labels --------------------------------------------------------------------------------------------


async def found(h, selector):
    wanted = RunFilter(labels=label_tests(selector))
    rows = await h.database.read(
        lambda c: list_runs(c, TENANT.id, wanted, limit=100, after="", newest_first=False)
    )
    return {row.run_id for row in rows}


async def test_children_are_found_by_the_labels_of_their_root(tmp_path):
    async def model(facts, state):
        return say("done")

    body = {"items": "${[1, 2, 3]}", "agent": "a", "input": "${string(item)}"}
    async with agents(tmp_path, model, {"name": "m", "map": body, "next": "one"}, turn_node("one")) as h:
        run = await h.start("Workflow", "w", {}, labels={"case": "7", "team": "red"})
        plain = await h.start("Workflow", "w", {})
        await h.output(run)
        await h.output(plain)
        family = set(await h.tree(run))
        assert len(family) == 5
        assert await found(h, "case=7") == await found(h, "team in (red, blue)") == family
        assert await found(h, "!case") == set(await h.tree(plain))
