"""Forks repeat nothing; repinning looks before it leaps."""

import pytest

from quarterdeck.runtime.definition import compile_definition
from quarterdeck.runtime.forking import Forker
from quarterdeck.runtime.loading import load_idle
from quarterdeck.runtime.repinning import changes, problems
from quarterdeck.runtime.testing.harness import TENANT, Harness


def tool(name, **more):
    return {"name": name, "tool": {"server": "s", "name": "count", "arguments": {"of": name}}, **more}


NODES = [
    tool("a", next=[{"to": "b"}]),
    tool("b", next=[{"to": "c"}]),
    {"name": "c", "wait": {"signal": {"name": "go"}}, "next": [{"to": "d"}]},
    tool("d"),
]


@pytest.fixture
async def harness(tmp_path):
    calls = []

    async def count(arguments):
        calls.append(arguments["of"])
        return {"call": len(calls), "of": arguments["of"]}

    async with Harness(tmp_path, specs={"Workflow/w": {"nodes": NODES}}, tools={"s/count": count}) as h:
        yield h, calls


async def parked(h):
    run = await h.start("Workflow", "w", {}, labels={"team": "x"})
    await h.wait(run, "waiting")
    return run


async def test_fork_goes_on_from_the_outcomes_it_keeps(harness):
    h, calls = harness
    run = await parked(h)
    journal = await h.journal(run)
    before = next(n for n, e in enumerate(journal, 1) if e.type == "step.completed" and e.data["step"] == "b")
    dry = await Forker(h.engine).fork(TENANT, run, before, "", dry_run=True)
    assert (dry.run_id, dry.kept, dry.following) == ("", ["a"], ["b"])
    made = await Forker(h.engine).fork(TENANT, run, before, "", dry_run=False)
    await h.wait(made.run_id, "waiting")
    assert calls == ["a", "b"]
    await h.signal(made.run_id, "go")
    assert (await h.output(made.run_id))["of"] == "d"
    row = await h.row(made.run_id)
    assert row.forked_from == f"{run}@{before - 1}" and row.cost == 0
    assert (await h.row(run)).state == "waiting"


async def test_fork_refuses_a_point_with_an_effect_in_flight(harness):
    h, _ = harness
    run = await parked(h)
    journal = await h.journal(run)
    intent = next(n for n, e in enumerate(journal, 1) if e.type == "effect.intent")
    with pytest.raises(Exception, match="e1 is in flight"):
        await Forker(h.engine).fork(TENANT, run, intent + 1, "", dry_run=False)
    with pytest.raises(Exception, match="choose a point"):
        await Forker(h.engine).fork(TENANT, run, 10_000, "", dry_run=False)


async def test_fork_with_an_idempotency_key_is_made_once(harness):
    h, _ = harness
    run = await parked(h)
    first = await Forker(h.engine).fork(TENANT, run, 3, "key", dry_run=False)
    assert (await Forker(h.engine).fork(TENANT, run, 3, "key", dry_run=False)).run_id == first.run_id


async def test_repin_names_what_no_longer_fits(harness):
    h, _ = harness
    run = await parked(h)
    state = await load_idle(h.engine, TENANT.id, run)
    same = compile_definition("Workflow", "w", {"nodes": NODES}, 10)
    assert problems(state, same) == []
    gone = compile_definition("Workflow", "w", {"nodes": [tool("a")]}, 10)
    assert problems(state, gone) == ["step c stands at node c, which is no longer there"]
    other = compile_definition("Workflow", "w", {"nodes": [tool("c")]}, 10)
    assert problems(state, other) == ["node c was wait and is tool now"]


def test_changes_between_closures():
    assert changes({"Agent/a": "1", "Agent/b": "1"}, {"Agent/a": "2", "Agent/c": "1"}) == [
        "Agent/a: 1 -> 2",
        "Agent/b: 1 -> -",
        "Agent/c: - -> 1",
    ]
