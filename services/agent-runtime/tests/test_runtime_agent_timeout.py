"""An agent's timeout counts the time in which it works: not people, not its child runs, not a pause."""

import asyncio

from quarterdeck.runtime.testing.harness import Harness
from quarterdeck.runtime.testing.transcripts import say, script, use

TIMEOUT = 0.8
LIMITS = {"limits": {"timeout": f"{int(TIMEOUT * 1000)}ms"}, "askPerson": {"policy": "reviewers"}}
QUESTION = use(("ask_person", {"question": "May I?"}))


async def asked(h):
    """Waits until somebody is asked, and then longer than the agent may work."""
    (approval,) = await h.until(h.approvals)
    await asyncio.sleep(2 * TIMEOUT)
    return approval.approval_id


def agent(tmp_path, model, spec, tools=None, **more):
    specs = {"Agent/a": {"instructions": "Be brief.", **spec}, **more}
    return Harness(tmp_path, specs=specs, tools=tools or {}, performers={"model": model})


def tool_that_takes(seconds):
    async def slow(arguments):
        await asyncio.sleep(seconds)
        return {}

    return {"s/slow": slow}


def with_slow_tool(tmp_path, seconds, *turns):
    spec = {**LIMITS, "tools": [{"server": "s", "names": ["slow"]}]}
    return agent(tmp_path, script(*turns), spec, tools=tool_that_takes(seconds))


async def test_a_person_may_take_longer_than_the_agent(tmp_path):
    async with agent(tmp_path, script(QUESTION, say("done")), LIMITS) as h:
        run = await h.start("Agent", "a", {"q": "?"})
        await h.approve(await asked(h), comment="yes")
        assert (await h.wait(run)).state == "succeeded"


async def test_the_time_that_is_left_counts_after_the_answer(tmp_path):
    turns = (QUESTION, use(("slow", {})), say("done"))
    async with with_slow_tool(tmp_path, 4 * TIMEOUT, *turns) as h:
        run = await h.start("Agent", "a", {"q": "?"})
        approval = await asked(h)
        await h.approve(approval)
        row = await h.wait(run)
        assert row.state == "timed-out", row.reason
        at = {(event.type, event.data.get("timer")): event.at for event in await h.journal(run)}
        worked = at["timer.fired", "run-timeout"] - at["approval.decided", None]
        assert TIMEOUT / 2 < worked < 2 * TIMEOUT


async def test_what_was_worked_before_the_question_is_gone(tmp_path):
    turns = (use(("slow", {})), QUESTION, use(("slow", {})), say("done"))
    async with with_slow_tool(tmp_path, TIMEOUT * 0.6, *turns) as h:
        run = await h.start("Agent", "a", {"q": "?"})
        await h.approve(await asked(h))
        assert (await h.wait(run)).state == "timed-out"


async def test_two_questions_are_waited_for_one_after_the_other(tmp_path):
    async with agent(tmp_path, script(QUESTION, QUESTION, say("done")), LIMITS) as h:
        run = await h.start("Agent", "a", {"q": "?"})
        first = await asked(h)
        await h.approve(first)
        await h.until(lambda: another(h, first))
        await h.approve(await asked(h))
        assert (await h.wait(run)).state == "succeeded"


async def another(h, first):
    return [one for one in await h.approvals() if one.approval_id != first]


async def test_a_person_that_a_called_agent_asks_holds_up_neither(tmp_path):
    calls = use(("inner", {"message": "hello"}))
    inner = {"instructions": "Ask.", **LIMITS}
    model = script(calls, say("done"), inner=[QUESTION, say("asked")])
    spec = {**LIMITS, "agents": [{"name": "inner"}]}
    async with agent(tmp_path, model, spec, **{"Agent/inner": inner}) as h:
        run = await h.start("Agent", "a", {"q": "?"})
        await h.approve(await asked(h))
        assert (await h.wait(run)).state == "succeeded"


async def test_a_pause_does_not_count(tmp_path):
    async with with_slow_tool(tmp_path, TIMEOUT / 4, use(("slow", {})), say("done")) as h:
        run = await h.start("Agent", "a", {"q": "?"})
        await h.pause(run)
        await h.wait(run, "waiting")
        await asyncio.sleep(2 * TIMEOUT)
        await h.resume(run)
        assert (await h.wait(run)).state == "succeeded"


async def test_the_rest_is_known_after_a_worker_was_replaced(tmp_path):
    async with with_slow_tool(tmp_path, 4 * TIMEOUT, QUESTION, use(("slow", {})), say("done")) as h:
        run = await h.start("Agent", "a", {"q": "?"})
        approval = await asked(h)
        await h.worker.drain(0.1)
        await h.start_worker()
        await h.approve(approval)
        assert (await h.wait(run)).state == "timed-out"
