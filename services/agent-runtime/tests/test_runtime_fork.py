"""Forks repeat nothing; repinning looks before it leaps."""

import pytest

from quarterdeck.common.errors import FailedPrecondition
from quarterdeck.runtime.definition import compile_definition
from quarterdeck.runtime.events import Event
from quarterdeck.runtime.execution.loading import load_idle
from quarterdeck.runtime.operations.fork_points import cut
from quarterdeck.runtime.operations.forking import Forker
from quarterdeck.runtime.operations.repinning import changes, problems
from quarterdeck.runtime.testing.harness import TENANT, Harness
from quarterdeck.runtime.testing.stubs import LocalModels, ToolFailure


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


async def test_a_fork_has_a_budget_of_its_own_and_keeps_to_it(tmp_path):
    """What the old run paid is the old run's: the fork may spend as much again, and no more."""

    async def model(facts, state):
        return {"role": "assistant", "content": [{"type": "text", "text": "done"}]}

    def ask(name, **more):
        return {"name": name, "agent": {"name": "a", "input": name}, **more}

    nodes = [ask("one", next="two"), ask("two", next="three"), ask("three")]
    specs = {
        "Workflow/w": {"nodes": nodes, "budget": {"costUsd": 0.000250}},
        "Agent/a": {"instructions": "Be brief."},
    }
    async with Harness(tmp_path, specs=specs, performers={"model": LocalModels(model, cost=100)}) as h:
        run = await h.start("Workflow", "w", {})
        assert (await h.error(run))["class"] == "budget"
        assert (await h.row(run)).cost == 200
        journal = await h.journal(run)
        done = next(
            n for n, e in enumerate(journal, 1) if e.type == "step.completed" and e.data["step"] == "one"
        )
        forked = (await Forker(h.engine).fork(TENANT, run, done + 1, "", dry_run=False)).run_id
        # The first is kept and costs nothing again: the second and the third fit.
        await h.output(forked)
        assert (await h.row(forked)).cost == 200
        anew = (await Forker(h.engine).fork(TENANT, run, 2, "", dry_run=False)).run_id
        assert (await h.error(anew))["class"] == "budget"
        assert (await h.row(anew)).cost == 200


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


def flaky(times):
    left = [times]

    async def call(arguments):
        left[0] -= 1
        if left[0] >= 0:
            raise ToolFailure("not this time")
        return arguments["of"]

    return call


EVERYTHING = [
    {**tool("a"), "retry": [{"errors": ["tool"], "attempts": 3, "delay": "10ms"}], "next": [{"to": "both"}]},
    {
        "name": "both",
        "parallel": {
            "branches": [
                {"name": "x", "transform": {"output": 1}},
                {"name": "y", "wait": {"duration": "10ms"}},
            ],
            "join": "all",
        },
        "next": [{"to": "never"}],
    },
    {
        "name": "never",
        "wait": {"signal": {"name": "go", "timeout": "20ms"}},
        "catch": [{"errors": ["timeout"], "to": "end"}],
    },
    {
        "name": "end",
        "transform": {"output": ["${nodes.a.output}", "${nodes.both.output.x}", "${error.class}"]},
    },
]


async def test_a_fork_from_any_point_comes_to_the_same_end(tmp_path):
    """Half of what a plan made of a state is never where a fork begins."""
    flow = {"Workflow/w": {"nodes": EVERYTHING, "timeout": "1h"}}
    async with Harness(tmp_path, specs=flow, tools={"s/count": flaky(2)}) as h:
        run = await h.start("Workflow", "w", {})
        assert await h.output(run) == ["a", 1, "timeout"]
        journal = await h.journal(run)
        refused = 0
        for before in range(2, len(journal) + 1):
            try:
                fork = await Forker(h.engine).fork(TENANT, run, before, "", dry_run=False)
            except FailedPrecondition:
                refused += 1
                continue
            assert await h.output(fork.run_id) == ["a", 1, "timeout"], before
        assert 0 < refused < len(journal) / 2


def test_a_journal_is_cut_behind_what_a_run_was_told():
    outcome = Event("effect.outcome", {"effect": "e1", "status": "ok", "stop_reason": "tool_use"})
    says = Event("message.appended", {"message": {"role": "assistant", "content": []}})
    journal = [Event("run.started"), Event("step.started"), Event("effect.intent"), outcome, says]
    assert [cut(journal[:length]) for length in range(6)] == [0, 1, 1, 1, 4, 5]
    assert cut([*journal, Event("step.completed"), Event("step.started")]) == 5
    assert cut([*journal, Event("message.appended", {"results": ["u1"]})]) == 5
