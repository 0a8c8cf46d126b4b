"""Endings that go wrong: outputs, `finally`, values that are not JSON, questions too large, bugs of ours."""

import asyncio

import pytest

from quarterdeck.common.artifacts import reference
from quarterdeck.runtime.effects.outcomes import succeeded
from quarterdeck.runtime.execution import performing
from quarterdeck.runtime.execution.keeping import ByteCache
from quarterdeck.runtime.operations import forking
from quarterdeck.runtime.operations.forking import Forker
from quarterdeck.runtime.state import Effect
from quarterdeck.runtime.testing.harness import TENANT, Harness
from quarterdeck.runtime.testing.stubs import ToolFailure


def tool(name, tool_name="echo", arguments=None, **more):
    return {"name": name, "tool": {"server": "s", "name": tool_name, "arguments": arguments or {}}, **more}


def undo(**arguments):
    return {"tool": {"server": "s", "name": "undo", "arguments": arguments}}


async def echo(arguments):
    return arguments


async def broken(arguments):
    raise ToolFailure("no")


def harness(tmp_path, *nodes, tools=None, performers=None, **more):
    local = {"s/echo": echo, "s/undo": echo, "s/broken": broken, **(tools or {})}
    specs = {"Workflow/w": {"nodes": list(nodes), **more}}
    return Harness(tmp_path, specs=specs, tools=local, performers=performers)


def called(h):
    return [name.removeprefix("s/") for name, _ in h.tools.calls]


# -- output and finally ----------------------------------------------------------------------------


async def test_an_output_that_cannot_be_made_undoes_like_any_failure(tmp_path):
    nodes = tool("a", compensate=undo(n=1)), tool("last", "echo", {"why": "${error.message}"})
    async with harness(tmp_path, *nodes, output="${nodes.a.output.missing}", **{"finally": "last"}) as h:
        error = await h.error(await h.start("Workflow", "w", {}))
        assert (error["class"], error["node"]) == ("expression", "output")
        assert called(h) == ["echo", "undo", "echo"]
        assert error["message"].startswith(h.tools.calls[-1][1]["why"][:20])


async def test_an_output_that_needs_finally_is_made_after_it(tmp_path):
    nodes = tool("a", compensate=undo(n=1)), tool("last", "echo", {"x": 1})
    for output, fails in (("${nodes.last.output.x}", False), ("${nodes.last.output.y}", True)):
        folder = tmp_path / str(fails)
        folder.mkdir()
        async with harness(folder, *nodes, output=output, **{"finally": "last"}) as h:
            run = await h.start("Workflow", "w", {})
            if not fails:
                assert await h.output(run) == 1
                continue
            assert (await h.error(run))["class"] == "expression"
            assert called(h) == ["echo", "echo", "undo"]


@pytest.mark.parametrize("end", ["a", "b"])
async def test_too_many_visits_in_finally_do_not_undo_again(tmp_path, end):
    nodes = (
        tool("a", compensate=undo(n=1), next="b"),
        tool("b", "broken" if end == "b" else "echo"),
        tool("last", next="last", maxVisits=2),
    )
    async with harness(tmp_path, *nodes, **{"finally": "last"}) as h:
        run = await h.start("Workflow", "w", {})
        error = await h.error(run)
        assert error["class"] == ("tool" if end == "b" else "limit")
        assert called(h).count("undo") == (1 if end == "b" else 0)
        types = [event.type for event in await h.journal(run)]
        assert types.count("run.stopping") == (1 if end == "b" else 0)


async def test_a_handler_visited_too_often_in_finally_ends_the_run(tmp_path):
    nodes = (
        tool("a", compensate=undo(n=1)),
        tool("last", "broken", catch=[{"errors": ["tool"], "to": "again"}], maxVisits=9),
        tool("again", next="last", maxVisits=1),
    )
    async with harness(tmp_path, *nodes, **{"finally": "last"}) as h:
        assert (await h.error(await h.start("Workflow", "w", {})))["class"] == "limit"
        assert called(h).count("undo") == 0


# -- what is not JSON, or too large -------------------------------------------------------------------


@pytest.mark.parametrize(
    "node",
    [
        tool("bad", arguments={"v": "${double(input.n) / 0.0}"}),
        {"name": "bad", "transform": {"output": {"v": "${[0.0 / double(input.n - 1)]}"}}},
        {"name": "bad", "approval": {"policy": "p", "title": "t", "data": "${double('NaN')}"}},
        {"name": "bad", "map": {"items": "${[1]}", "agent": "a", "input": "${double('-Infinity')}"}},
        {"name": "bad", "agent": {"name": "a", "input": {"v": "${0.0 / 0.0}"}}},
    ],
)
async def test_numbers_that_are_none_fail_their_node(tmp_path, node):
    node = {**node, "catch": [{"errors": ["validation"], "to": "handler"}]}
    handler = {"name": "handler", "transform": {"output": "${error.node + ': ' + error.message}"}}
    async with harness(tmp_path, node, handler) as h:
        said = await h.output(await h.start("Workflow", "w", {"n": 1}))
        assert said.startswith("bad: ") and "not a JSON number" in said


async def test_an_output_that_is_no_number_fails_the_run(tmp_path):
    async with harness(tmp_path, tool("a", compensate=undo(n=1)), output={"v": "${1.0 / 0.0}"}) as h:
        assert (await h.error(await h.start("Workflow", "w", {})))["class"] == "validation"
        assert called(h) == ["echo", "undo"]


async def test_a_question_that_shows_too_much_fails_its_node(tmp_path):
    ask = {"name": "b", "approval": {"policy": "p", "title": "t", "data": {"all": "${input}"}}}
    ask["catch"] = [{"errors": ["limit"], "to": "c"}]
    async with harness(tmp_path, ask, {"name": "c", "transform": {"output": "${error.message}"}}) as h:
        said = await h.output(await h.start("Workflow", "w", "x" * 50_000))
        assert "approval b shows has 50" in said and "at most 40960" in said


@pytest.mark.parametrize("size", [20_000, 31_000, 60_000])
async def test_a_call_with_large_arguments_can_be_approved(tmp_path, size):
    async def guarded(arguments):
        if not approved:
            approved.append(1)
            raise ToolFailure("ask first", status="needs_approval", kind="policy", approval_policy="p")
        return len(arguments["text"])

    approved = []
    node = tool("a", "guarded", {"text": "${input}"})
    async with harness(tmp_path, node, tools={"s/guarded": guarded}) as h:
        run = await h.start("Workflow", "w", "x" * size)
        await h.wait(run, "waiting")
        (asked,) = await h.approvals()
        await h.approve(asked.approval_id)
        assert await h.output(run) == size


# -- bugs of ours --------------------------------------------------------------------------------------


class Buggy:
    """A performer that breaks after the call was made."""

    def __init__(self, times=99):
        self.calls = 0
        self._times = times

    async def perform(self, facts, definition, state, effect):
        self.calls += 1
        if self.calls <= self._times:
            raise KeyError("oops")
        return [succeeded(effect, "fine")]


async def test_a_bug_of_ours_after_a_call_asks_and_does_not_call_again(tmp_path):
    buggy = Buggy()
    node = tool("a", retry=[{"errors": ["*"], "attempts": 5, "delay": "1ms"}])
    async with harness(tmp_path, node, performers={"tool": buggy}) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        (asked,) = await h.approvals()
        assert asked.source == "effect" and "KeyError" in asked.summary and buggy.calls == 1
        outcomes = [e.data for e in await h.journal(run) if e.type == "effect.outcome"]
        assert [data["error"]["class"] for data in outcomes] == ["internal"]
        await h.resume(run, resolution="done", outcome="it was done")
        assert await h.output(run) == "it was done" and buggy.calls == 1


async def test_a_bug_of_ours_that_called_nothing_is_an_ordinary_error(tmp_path):
    buggy = Buggy(times=1)
    node = {"name": "a", "memory": {"collection": "c", "search": {"query": "q"}}}
    node["retry"] = [{"errors": ["internal"], "attempts": 2, "delay": "1ms"}]
    async with harness(tmp_path, node, performers={"memory": buggy}) as h:
        assert await h.output(await h.start("Workflow", "w", {})) == "fine"


def test_a_check_that_breaks_leaves_its_effect_unknown():
    effect = Effect("e2", "a", "check", {"server": "s", "tool": "t"}, {}, 1, checks="e1")
    outcome = performing.broken(effect, "oops").data
    assert outcome["status"] == "uncertain" and outcome["error"]["policy"] == "ask"


# -- memory and the writer's thread --------------------------------------------------------------------


def test_kept_values_are_bounded_by_bytes():
    cache = ByteCache(100)
    for number in range(10):
        cache.put(number, f"v{number}", 30)
    assert (len(cache), cache.size) == (3, 90)
    assert cache.get(9) == (True, "v9") and cache.get(0) == (False, None)
    cache.get(7)
    cache.put("big", "b", 60)
    assert cache.get(7) == (True, "v7") and cache.get(9) == (False, None) and cache.size == 90
    cache.put("huge", "h", 101)
    assert cache.get("huge") == (False, None) and cache.get("big")[0]
    cache.put("big", "smaller", 10)
    assert cache.size == 40


async def test_fetched_artifacts_stay_within_the_bound(tmp_path):
    async with harness(tmp_path, tool("a")) as h:
        h.engine._values = ByteCache(1000)
        for number in range(20):
            digest = await h.artifacts.put(TENANT.id, b'"%s"' % (str(number) * 200).encode()[:200])
            assert await h.engine.value(TENANT.id, digest) == (str(number) * 200)[:200]
            assert reference(digest, 202)
        assert h.engine._values.size <= 1000


async def test_a_fork_of_a_long_journal_is_folded_outside_the_writers_transaction(tmp_path, monkeypatch):
    monkeypatch.setattr(forking, "JOURNAL_PAGE", 3)
    wait = {"name": "s", "wait": {"signal": {"name": "go"}}}
    nodes = tool("a", next="b"), tool("b", next="c"), tool("c", next="s"), wait
    async with harness(tmp_path, *nodes) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        length = (await h.row(run)).current_seq
        writing, folded = [], []
        write, fold = h.database.write, forking.fold

        async def watched(function, *args, **more):
            writing.append(function.__name__)
            try:
                return await write(function, *args, **more)
            finally:
                writing.pop()

        def noted(run_id, events, state=None):
            folded.append(list(writing))
            return fold(run_id, events, state)

        monkeypatch.setattr(h.database, "write", watched)
        monkeypatch.setattr(forking, "fold", noted)
        fork = await Forker(h.engine).fork(TENANT, run, length + 1, "", dry_run=False)
        assert len(folded) > 2 and not any("_store" in names for names in folded)
        await h.wait(fork.run_id, "waiting")
        await h.signal(fork.run_id, "go", 5)
        assert await h.output(fork.run_id) == 5
        await asyncio.sleep(0)
