"""Workflows through the real engine on SQLite: every node kind, errors, compensation, loops."""

import asyncio

import pytest

from quarterdeck.common.errors import InvalidArgument
from quarterdeck.runtime.execution import executor
from quarterdeck.runtime.testing.harness import Harness
from quarterdeck.runtime.testing.stubs import ToolFailure


def tool(name, tool_name="echo", arguments=None, **more):
    return {"name": name, "tool": {"server": "s", "name": tool_name, "arguments": arguments or {}}, **more}


async def echo(arguments):
    return arguments


def workflow(*nodes, **more):
    return {"Workflow/w": {"nodes": list(nodes), **more}}


def harness(tmp_path, specs, **tools):
    return Harness(tmp_path, specs=specs, tools={f"s/{k}": v for k, v in {"echo": echo, **tools}.items()})


async def test_path_with_transform_and_decision(tmp_path):
    specs = workflow(
        tool("a", arguments={"n": "${input.n}"}, next="shape"),
        {"name": "shape", "transform": {"output": {"double": "${nodes.a.output.n * 2}"}}, "next": "choose"},
        {
            "name": "choose",
            "decision": {
                "cases": [{"when": "${nodes.shape.output.double > 10}", "to": "big"}],
                "otherwise": "small",
            },
        },
        {"name": "big", "transform": {"output": "big"}},
        {"name": "small", "transform": {"output": "small"}},
    )
    async with harness(tmp_path, specs) as h:
        first, second = await h.start("Workflow", "w", {"n": 6}), await h.start("Workflow", "w", {"n": 2})
        assert await h.output(first) == "big"
        assert await h.output(second) == "small"
        types = [event.type for event in await h.journal(first)]
        assert types[0] == "run.started" and types[-1] == "run.succeeded"


async def test_loop_is_bounded(tmp_path):
    specs = workflow(tool("again", next="again", maxVisits=3))
    async with harness(tmp_path, specs) as h:
        error = await h.error(await h.start("Workflow", "w", {}))
        assert error["class"] == "limit" and "3 times" in error["message"]
        assert len(h.tools.calls) == 3


async def test_retry_then_success(tmp_path):
    failures = iter([True, True, False])

    async def flaky(arguments):
        if next(failures):
            raise ToolFailure("no", kind="tool")
        return "yes"

    retry = [{"errors": ["tool"], "attempts": 3, "delay": "10ms"}]
    async with harness(tmp_path, workflow(tool("f", "flaky", retry=retry)), flaky=flaky) as h:
        assert await h.output(await h.start("Workflow", "w", {})) == "yes"
        assert len(h.tools.calls) == 3


async def test_catch_sees_the_error(tmp_path):
    async def broken(arguments):
        raise ToolFailure("it broke")

    specs = workflow(
        tool("f", "broken", catch=[{"errors": ["tool"], "to": "handle"}]),
        {"name": "handle", "transform": {"output": "${error.message}"}},
    )
    async with harness(tmp_path, specs, broken=broken) as h:
        assert await h.output(await h.start("Workflow", "w", {})) == "it broke"


async def test_compensation_in_reverse_and_finally(tmp_path):
    async def broken(arguments):
        raise ToolFailure("it broke")

    def undo(n):
        return {"tool": {"server": "s", "name": "undo", "arguments": {"was": "${output.n}", "n": n}}}

    specs = workflow(
        tool("one", arguments={"n": 1}, compensate=undo(1), next="two"),
        tool("two", arguments={"n": 2}, compensate=undo(2), next="three"),
        tool("three", "broken"),
        tool("last", "echo", {"why": "${error.message}"}),
        **{"finally": "last"},
    )
    async with harness(tmp_path, specs, broken=broken, undo=echo) as h:
        error = await h.error(await h.start("Workflow", "w", {}))
        assert error["message"] == "it broke" and error["node"] == "three"
        assert h.tools.calls[3:] == [
            ("s/undo", {"was": 2, "n": 2}),
            ("s/undo", {"was": 1, "n": 1}),
            ("s/echo", {"why": "it broke"}),
        ]


async def test_parallel_all_and_any(tmp_path):
    async def broken(arguments):
        raise ToolFailure("no")

    both = {"branches": [tool("x", arguments={"v": 1}), tool("y", arguments={"v": 2})]}
    either = {"branches": [tool("x", "broken"), tool("y", arguments={"v": 2})], "join": "any"}
    specs = workflow(
        {"name": "p", "parallel": both, "next": "q"},
        {"name": "q", "parallel": either},
        output={"p": "${nodes.p.output}", "q": "${nodes.q.output.y.v}"},
    )
    async with harness(tmp_path, specs, broken=broken) as h:
        output = await h.output(await h.start("Workflow", "w", {}))
        assert output == {"p": {"x": {"v": 1}, "y": {"v": 2}}, "q": 2}


async def test_parallel_all_fails_with_the_first_error(tmp_path):
    async def broken(arguments):
        raise ToolFailure("no")

    both = {"branches": [tool("x", "broken"), tool("y", arguments={"v": 2})]}
    async with harness(tmp_path, workflow({"name": "p", "parallel": both}), broken=broken) as h:
        error = await h.error(await h.start("Workflow", "w", {}))
        assert error["message"] == "no" and error["step"] == "p"


async def test_map_over_a_workflow_joins_in_order(tmp_path):
    specs = {
        **workflow(
            {
                "name": "m",
                "map": {
                    "items": "${input.items}",
                    "workflow": "item",
                    "input": {"v": "${item}", "i": "${index}"},
                },
            }
        ),
        "Workflow/item": {"nodes": [tool("a", arguments={"v": "${input.v}", "i": "${input.i}"})]},
    }
    async with harness(tmp_path, specs) as h:
        items = [f"x{n}" for n in range(700)]
        output = await h.output(await h.start("Workflow", "w", {"items": items}))
        assert output == [{"v": f"x{n}", "i": n} for n in range(700)]


async def test_map_tolerates_what_it_may(tmp_path):
    async def odd_fails(arguments):
        if arguments["v"] % 2:
            raise ToolFailure("odd")
        return arguments["v"]

    def specs(tolerate):
        body = {"server": "s", "name": "odd", "arguments": {"v": "${item}"}}
        return workflow(
            {"name": "m", "map": {"items": "${input}", "tool": body, "tolerateFailures": tolerate}}
        )

    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    async with harness(tmp_path / "a", specs(2), odd=odd_fails) as h:
        assert await h.output(await h.start("Workflow", "w", [0, 1, 2, 3])) == [0, None, 2, None]
    async with harness(tmp_path / "b", specs(1), odd=odd_fails) as h:
        error = await h.error(await h.start("Workflow", "w", [0, 1, 2, 3]))
        assert error["class"] == "child" and "2 of 4 items failed" in error["message"]


async def test_empty_map(tmp_path):
    body = {"server": "s", "name": "echo", "arguments": {"v": "${item}"}}
    async with harness(tmp_path, workflow({"name": "m", "map": {"items": "${input}", "tool": body}})) as h:
        assert await h.output(await h.start("Workflow", "w", [])) == []


async def test_child_workflow_and_its_failure(tmp_path):
    async def broken(arguments):
        raise ToolFailure("deep")

    specs = {
        **workflow({"name": "c", "workflow": {"name": "child", "input": {"x": 1}}}),
        "Workflow/child": {"nodes": [tool("f", "broken")]},
    }
    async with harness(tmp_path, specs, broken=broken) as h:
        error = await h.error(await h.start("Workflow", "w", {}))
        assert error["message"] == "deep" and error["childName"] == "child"


async def test_approval_parks_and_goes_on(tmp_path):
    specs = workflow(
        {
            "name": "ask",
            "approval": {"policy": "p", "title": "Pay ${input.n}?", "data": {"n": "${input.n}"}},
            "next": [{"to": "yes", "when": "${nodes.ask.output.approved}"}, {"to": "no"}],
        },
        {"name": "yes", "transform": {"output": "paid"}},
        {"name": "no", "transform": {"output": "kept"}},
    )
    async with harness(tmp_path, specs) as h:
        run = await h.start("Workflow", "w", {"n": 5})
        row = await h.wait(run, "waiting")
        assert "approval" in row.reason
        (approval,) = await h.approvals()
        assert approval.title == "Pay 5?"
        await h.approve(approval.approval_id)
        assert await h.output(run) == "paid"
        with pytest.raises(Exception, match="already"):
            await h.approve(approval.approval_id)


async def test_wait_for_signal_before_and_after(tmp_path):
    specs = workflow({"name": "s", "wait": {"signal": {"name": "go"}}})
    async with harness(tmp_path, specs) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        await h.signal(run, "go", {"v": 1}, "id-1")
        assert await h.output(run) == {"v": 1}
        early = await h.start("Workflow", "w", {}, signal={"name": "go", "payload": 2, "id": "x"})
        assert await h.output(early) == 2


async def test_timer_and_node_timeout(tmp_path):
    specs = workflow(
        {"name": "pause", "wait": {"duration": "50ms"}, "next": "sig"},
        {
            "name": "sig",
            "wait": {"signal": {"name": "never", "timeout": "100ms"}},
            "catch": [{"errors": ["timeout"], "to": "late"}],
        },
        {"name": "late", "transform": {"output": "too late"}},
    )
    async with harness(tmp_path, specs) as h:
        assert await h.output(await h.start("Workflow", "w", {})) == "too late"


async def test_run_timeout(tmp_path):
    specs = workflow({"name": "s", "wait": {"signal": {"name": "never"}}}, timeout="100ms")
    async with harness(tmp_path, specs) as h:
        row = await h.wait(await h.start("Workflow", "w", {}))
        assert row.state == "timed-out"


async def test_cancel_cascades_and_compensates(tmp_path):
    specs = {
        **workflow(
            tool(
                "book",
                arguments={"n": 1},
                compensate={"tool": {"server": "s", "name": "undo", "arguments": {}}},
                next="c",
            ),
            {"name": "c", "workflow": {"name": "child", "input": {}}},
        ),
        "Workflow/child": {"nodes": [{"name": "s", "wait": {"signal": {"name": "never"}}}]},
    }
    async with harness(tmp_path, specs, undo=echo) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        await h.cancel(run)
        row = await h.wait(run)
        assert row.state == "cancelled"
        assert ("s/undo", {}) in h.tools.calls
        journal = await h.journal(run)
        child = next(e.data["run"] for e in journal if e.type == "children.started")
        assert (await h.row(child)).state == "cancelled"


async def test_uncertain_effect_asks_and_takes_the_answer(tmp_path):
    async def lost(arguments):
        raise ToolFailure("the server died", status="uncertain", kind="uncertain", policy="ask")

    async with harness(tmp_path, workflow(tool("f", "lost")), lost=lost) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        (approval,) = await h.approvals()
        assert approval.source == "effect"
        for nonsense in ("it was made", {"outcome": 1}, {"resolution": "perhaps"}):
            with pytest.raises(InvalidArgument, match="resolution"):
                await h.approve(approval.approval_id, answer=nonsense)
        await h.resume(run, by="me", resolution="done", outcome={"booked": 7})
        assert await h.output(run) == {"booked": 7}
        assert await h.approvals() == []


async def test_tool_that_needs_approval(tmp_path):
    asked = []

    async def guarded(arguments):
        asked.append(arguments)
        if len(asked) == 1:
            raise ToolFailure("needs a person", status="needs_approval", kind="policy", approval_policy="p")
        return arguments

    async with harness(tmp_path, workflow(tool("f", "guarded", {"n": 1})), guarded=guarded) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        (approval,) = await h.approvals()
        assert (approval.source, approval.policy) == ("tool", "p")
        with pytest.raises(InvalidArgument, match="object"):
            await h.approve(approval.approval_id, answer=[2])
        await h.approve(approval.approval_id, answer={"n": 2})
        assert await h.output(run) == {"n": 2}


async def test_rejected_tool_fails_with_policy(tmp_path):
    async def guarded(arguments):
        raise ToolFailure("needs a person", status="needs_approval", kind="policy", approval_policy="p")

    async with harness(tmp_path, workflow(tool("f", "guarded")), guarded=guarded) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        (approval,) = await h.approvals()
        await h.approve(approval.approval_id, yes=False, comment="not today")
        error = await h.error(run)
        assert error["class"] == "policy" and "not today" in error["message"]


async def test_expression_error_is_an_error_of_the_node(tmp_path):
    specs = workflow({"name": "t", "transform": {"output": "${input.missing.deep}"}})
    async with harness(tmp_path, specs) as h:
        error = await h.error(await h.start("Workflow", "w", {}))
        assert error["class"] == "expression" and error["node"] == "t"


async def test_keys_and_sessions(tmp_path):
    specs = workflow({"name": "s", "wait": {"signal": {"name": "go"}}})
    async with harness(tmp_path, specs) as h:
        one = await h.start("Workflow", "w", {}, key="k")
        with pytest.raises(Exception, match="still open"):
            await h.start("Workflow", "w", {}, key="k")
        assert await h.start("Workflow", "w", {}, key="k", key_conflict="join") == one
        queued = await h.start("Workflow", "w", {}, key="k", key_conflict="queue")
        await asyncio.sleep(0.1)
        assert (await h.row(queued)).state == "pending"
        await h.signal(one, "go")
        await h.output(one)
        await h.wait(queued, "waiting")
        replacing = await h.start("Workflow", "w", {}, key="k", key_conflict="replace")
        assert (await h.wait(queued)).state == "cancelled"
        await h.wait(replacing, "waiting")


async def test_idempotency_key(tmp_path):
    async with harness(tmp_path, workflow(tool("a"))) as h:
        one = await h.start("Workflow", "w", {"x": 1}, idempotency_key="i")
        assert await h.start("Workflow", "w", {"x": 1}, idempotency_key="i") == one
        with pytest.raises(Exception, match="another request"):
            await h.start("Workflow", "w", {"x": 2}, idempotency_key="i")


async def test_large_results_become_artifacts(tmp_path):
    async def large(arguments):
        return {"text": "x" * 100_000}

    specs = workflow(
        tool("a", "large", next="b"), {"name": "b", "transform": {"output": "${size(nodes.a.output.text)}"}}
    )
    async with harness(tmp_path, specs, large=large) as h:
        assert await h.output(await h.start("Workflow", "w", {})) == 100_000


async def test_a_run_does_not_keep_every_large_value_it_ever_read(tmp_path, monkeypatch):
    monkeypatch.setattr(executor, "VALUES_AT_HAND", 2)
    kept = []

    async def large(arguments):
        kept.extend(len(one._values) for one in h.worker._executors.values())
        return {"text": "x" * (arguments["of"] + 1)}

    calls = []
    for name, earlier in zip("abcdef", ["", *"abcde"], strict=True):
        of = f"${{size(nodes.{earlier}.output.text)}}" if earlier else 100_000
        calls.append(tool(name, "large", {"of": of}, next=chr(ord(name) + 1)))
    last = {"name": "g", "transform": {"output": "${size(nodes.a.output.text) + size(nodes.f.output.text)}"}}
    async with harness(tmp_path, workflow(*calls, last), large=large) as h:
        assert await h.output(await h.start("Workflow", "w", {})) == 200_007
    assert 1 <= max(kept) <= 3


async def test_a_timed_out_child_is_stopped_before_the_next_attempt(tmp_path):
    specs = {
        **workflow(
            {
                "name": "c",
                "workflow": {"name": "child", "input": {}},
                "timeout": "150ms",
                "retry": [{"errors": ["timeout"], "attempts": 2, "delay": "1ms"}],
            }
        ),
        "Workflow/child": {"nodes": [{"name": "s", "wait": {"signal": {"name": "never"}}}]},
    }
    async with harness(tmp_path, specs) as h:
        run = await h.start("Workflow", "w", {})
        error = await h.error(run)
        assert error["class"] == "timeout"
        children = [e.data["run"] for e in await h.journal(run) if e.type == "children.started"]
        assert len(set(children)) == 2
        for child in children:
            assert (await h.wait(child)).state == "cancelled"


async def test_a_failing_finally_fails_the_run(tmp_path):
    async def broken(arguments):
        raise ToolFailure("cannot tidy up")

    specs = workflow(tool("a"), tool("last", "broken"), **{"finally": "last"})
    async with harness(tmp_path, specs, broken=broken) as h:
        error = await h.error(await h.start("Workflow", "w", {}))
        assert error["message"] == "cannot tidy up"


async def test_open_questions_are_withdrawn_with_their_run(tmp_path):
    specs = workflow({"name": "ask", "approval": {"policy": "p", "title": "?"}})
    async with harness(tmp_path, specs) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        await h.cancel(run)
        await h.wait(run)
        assert await h.approvals() == []


async def test_a_workflow_that_calls_itself_ends(tmp_path):
    specs = workflow({"name": "again", "workflow": {"name": "w", "input": {}}})
    async with harness(tmp_path, specs) as h:
        error = await h.error(await h.start("Workflow", "w", {}))
        assert error["class"] == "limit" and "deep" in error["message"]


async def test_expressions_see_visits_and_caught_errors(tmp_path):
    async def broken(arguments):
        raise ToolFailure("no")

    specs = workflow(
        tool("f", "broken", catch=[{"errors": ["*"], "to": "g"}]),
        {"name": "g", "transform": {"output": "${nodes.f.error.message + string(nodes.f.visits)}"}},
    )
    async with harness(tmp_path, specs, broken=broken) as h:
        assert await h.output(await h.start("Workflow", "w", {})) == "no1"
