"""The agent's loop through the real engine: tools, repair, limits, questions, agents as tools, sessions."""

from quarterdeck.common import codec
from quarterdeck.runtime.operations.retrying import Retrier
from quarterdeck.runtime.testing.harness import TENANT, Harness
from quarterdeck.runtime.testing.stubs import LocalModels, ToolFailure
from quarterdeck.runtime.testing.transcripts import results, say, script, use

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def agent(tmp_path, model, spec=None, tools=None, **more):
    spec = {
        "instructions": "Be brief.",
        "tools": [{"server": "s", "names": ["add", "broken"]}],
        **(spec or {}),
    }

    async def add(arguments):
        return {"sum": arguments["a"] + arguments["b"]}

    async def broken(arguments):
        raise ToolFailure("it broke")

    known = {"s/add": add, "s/broken": broken, **(tools or {})}
    specs = {"Agent/a": spec, **more}
    return Harness(tmp_path, specs=specs, tools=known, performers={"model": model})


async def test_tool_loop_with_parallel_calls(tmp_path):
    model = script(
        use(("add", {"a": 1, "b": 2}), ("add", {"a": 3, "b": 4})),
        lambda state: say(codec.dumps({"n": sum(r["content"]["sum"] for r in results(state))}).decode()),
    )
    async with agent(tmp_path, model, {"output": {"schema": SCHEMA}}) as h:
        run = await h.start("Agent", "a", {"q": "1+2, 3+4"})
        assert await h.output(run) == {"n": 10}
        row = await h.row(run)
        assert (row.cost, row.tokens) == (200, 20)


async def test_errors_and_unknown_tools_are_told_to_the_model(tmp_path):
    seen = []

    def look(state):
        seen.extend(results(state))
        return say("done")

    model = script(use(("broken", {}), ("nonsense", {})), look)
    async with agent(tmp_path, model) as h:
        assert await h.output(await h.start("Agent", "a", "hello")) == "done"
    assert [block["isError"] for block in seen] == [True, True]
    assert seen[0]["content"] == "it broke" and "nonsense" in seen[1]["content"]


async def test_one_repair_then_failure(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "y").mkdir()
    async with agent(
        tmp_path / "x", script(say("not json"), say('{"n": 1}')), {"output": {"schema": SCHEMA}}
    ) as h:
        assert await h.output(await h.start("Agent", "a", "q")) == {"n": 1}
    async with agent(tmp_path / "y", script(say("not json")), {"output": {"schema": SCHEMA}}) as h:
        error = await h.error(await h.start("Agent", "a", "q"))
        assert error["class"] == "validation"


async def test_endless_loop_hits_the_turn_limit(tmp_path):
    async def forever(facts, state):
        return {
            "role": "assistant",
            "content": [
                {
                    "type": "toolUse",
                    "id": f"t{state.agent.turn}",
                    "name": "add",
                    "arguments": {"a": 1, "b": 1},
                }
            ],
        }

    async with agent(tmp_path, LocalModels(forever), {"limits": {"turns": 5}}) as h:
        error = await h.error(await h.start("Agent", "a", "q"))
        assert error["class"] == "limit" and error["limit"] == "turns"
        assert len(h.tools.calls) == 5


async def test_token_and_cost_limits(tmp_path):
    loop = use(("add", {"a": 1, "b": 1}))
    for name, limits, kind in (("t", {"tokens": 15}, "budget"), ("c", {"costUsd": 0.00015}, "budget")):
        (tmp_path / name).mkdir()

        def again(state, loop=loop):
            call = dict(loop["content"][0], id=f"t{state.agent.turn}")
            return {"role": "assistant", "content": [call]}

        async with agent(tmp_path / name, script(again), {"limits": limits}) as h:
            error = await h.error(await h.start("Agent", "a", "q"))
            assert error["class"] == kind


async def test_asks_a_person(tmp_path):
    model = script(
        use(("ask_person", {"question": "Which one?"})),
        lambda state: say(results(state)[0]["content"]["answer"]),
    )
    async with agent(tmp_path, model, {"askPerson": {"policy": "p"}}) as h:
        run = await h.start("Agent", "a", "q")
        await h.wait(run, "waiting")
        (approval,) = await h.approvals()
        assert (approval.source, approval.title) == ("question", "Which one?")
        await h.approve(approval.approval_id, answer="the blue one")
        assert await h.output(run) == "the blue one"


async def test_an_agent_that_was_answered_can_be_retried(tmp_path):
    """An answer to a question is any JSON, not only an object."""
    ask = use(("ask_person", {"question": "Which one?"}))
    model = script(ask, ask, lambda state: say(results(state)[0]["content"]["answer"]))
    async with agent(tmp_path, model, {"askPerson": {"policy": "p"}}) as h:
        run = await h.start("Agent", "a", "q")
        await h.approve((await h.until(h.approvals))[0].approval_id, answer="the blue one")
        await h.until(h.approvals)
        await h.cancel(run)
        await h.wait(run)
        again = await Retrier(h.engine).retry(TENANT, run, "me", "", dry_run=False)
        await h.approve((await h.until(h.approvals))[0].approval_id, answer="that one")
        assert await h.output(again.run_id) == "that one"
        asked = [e for e in await h.journal(again.run_id) if e.type == "approval.decided"]
        assert [e.data["answer"] for e in asked] == ["the blue one", "that one"]


async def test_approval_of_a_declared_tool(tmp_path):
    model = script(use(("add", {"a": 1, "b": 1})), lambda state: say(str(results(state)[0]["content"])))
    spec = {"approvals": [{"server": "s", "names": ["add"], "policy": "p"}]}
    async with agent(tmp_path, model, spec) as h:
        run = await h.start("Agent", "a", "q")
        await h.wait(run, "waiting")
        assert h.tools.calls == []
        (approval,) = await h.approvals()
        await h.approve(approval.approval_id)
        assert "2" in await h.output(run)
        assert len(h.tools.calls) == 1


async def test_agent_as_a_tool_is_a_child_run(tmp_path):
    async def model(facts, state):
        if facts.name == "helper":
            return say("42")
        if state.agent.turn == 0:
            return use(("helper", {"message": "what is it?"}))
        return say(f"it is {results(state)[0]['content']}")

    spec = {"agents": [{"name": "helper", "description": "knows"}]}

    async with agent(tmp_path, LocalModels(model), spec, **{"Agent/helper": {"instructions": "x"}}) as h:
        assert await h.output(await h.start("Agent", "a", "q")) == "it is 42"


async def test_session_turns_wait_and_remember(tmp_path):
    async def model(facts, state):
        texts = [b["text"] for m in state.agent.messages for b in m["content"] if b["type"] == "text"]
        return say(" | ".join(texts))

    async with agent(tmp_path, LocalModels(model)) as h:
        first = await h.start("Agent", "a", {"message": "one"}, session="s1")
        second = await h.start("Agent", "a", {"message": "two"}, session="s1")
        assert await h.output(first) == "one"
        assert await h.output(second) == "one | one | two"
        other = await h.start("Agent", "a", {"message": "three"}, session="s2")
        assert await h.output(other) == "three"


async def test_cancel_while_the_model_thinks(tmp_path):
    import asyncio

    async def slow(facts, state):
        await asyncio.sleep(0.2)
        return say("late")

    async with agent(tmp_path, LocalModels(slow)) as h:
        run = await h.start("Agent", "a", "q")
        await h.wait(run, "running")
        await h.cancel(run)
        assert (await h.wait(run)).state == "cancelled"
