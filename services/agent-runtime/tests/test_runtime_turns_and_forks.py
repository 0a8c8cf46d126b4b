"""Turns of a session wait, are cancelled and remembered; forks at awkward points."""

import asyncio

import pytest
from runtime_kit.corners import harness, signal, tool
from sqlalchemy import select

from quarterdeck.common.errors import FailedPrecondition
from quarterdeck.runtime.operations.forking import Forker
from quarterdeck.runtime.tables import APPROVALS, RUNS, TIMERS
from quarterdeck.runtime.testing.harness import TENANT
from quarterdeck.runtime.testing.stubs import LocalModels, ToolFailure


async def test_a_turn_that_waits_for_its_session_can_be_cancelled(tmp_path):
    async with harness(tmp_path, signal("a")) as h:
        first, second, third = [await h.start("Workflow", "w", {}, session="s") for _ in range(3)]
        await h.wait(first, "waiting")
        await h.cancel(second)
        assert (await h.wait(second)).state == "cancelled"
        await asyncio.sleep(0.1)
        assert (await h.row(third)).state == "pending"
        await h.signal(first, "go")
        await h.wait(third, "waiting")


async def test_a_turn_remembers_what_was_said_before_it_whatever_its_id(tmp_path, monkeypatch):
    async def model(facts, state):
        texts = [block["text"] for m in state.agent.messages for block in m["content"]]
        return {"role": "assistant", "content": [{"type": "text", "text": "|".join(texts)}]}

    ids = iter(["worker", "ffffffff", "00000000", "88888888"])
    monkeypatch.setattr("quarterdeck.runtime.testing.harness.uuid7", lambda: next(ids))
    specs = {"Agent/a": {"instructions": "x"}}
    async with harness(tmp_path, tool("n"), specs=specs, performers={"model": LocalModels(model)}) as h:
        runs = [await h.start("Agent", "a", text, session="s") for text in ("1", "2", "3")]
        assert [await h.output(run) for run in runs] == ["1", "1|1|2", "1|1|2|1|1|2|3"]


async def test_fork_refuses_an_open_question(tmp_path):
    ask = {"name": "a", "approval": {"policy": "p", "title": "t"}}
    async with harness(tmp_path, ask) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        seq = (await h.row(run)).current_seq
        with pytest.raises(FailedPrecondition, match="question"):
            await Forker(h.engine).fork(TENANT, run, seq + 1, "", dry_run=True)


async def test_a_fork_between_a_retry_and_its_timer_goes_on(tmp_path):
    failures = iter([True, False, False])

    async def flaky(arguments):
        if next(failures):
            raise ToolFailure("no")
        return "yes"

    retry = [{"errors": ["tool"], "attempts": 3, "delay": "1ms"}]
    async with harness(tmp_path, tool("a", "flaky", retry=retry), tools={"flaky": flaky}) as h:
        run = await h.start("Workflow", "w", {})
        await h.output(run)
        journal = await h.journal(run)
        after = next(n for n, e in enumerate(journal, 1) if e.type == "step.retrying")
        made = await Forker(h.engine).fork(TENANT, run, after + 1, "", dry_run=False)
        assert await h.output(made.run_id) == "yes"


async def test_a_fork_of_an_old_run_has_its_time_again(tmp_path):
    specs = {"Workflow/w": {"timeout": "1h", "nodes": [signal("a")]}}
    async with harness(tmp_path, specs=specs) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        h.clock = h.engine.clock = Later(h.clock, 2 * 3600.0)
        seq = (await h.row(run)).current_seq
        made = await Forker(h.engine).fork(TENANT, run, seq + 1, "", dry_run=False)
        await h.wait(made.run_id, "waiting")
        ((due,),) = await h.look(select(TIMERS.c.due).where(TIMERS.c.run_id == made.run_id))
        assert 3500 < due - h.clock.now() < 3700


class Later:
    """A clock that is ahead of another one."""

    def __init__(self, clock, seconds):
        self._clock, self._seconds = clock, seconds

    def now(self):
        return self._clock.now() + self._seconds

    async def sleep(self, seconds):
        await self._clock.sleep(seconds)


async def test_an_expired_question_and_its_record_say_the_same(tmp_path):
    ask = {"name": "a", "approval": {"policy": "p", "title": "t"}}
    more = {"approval_expiry": lambda _tenant, _policy: 0.05}
    async with harness(tmp_path, ask, **more) as h:
        run = await h.start("Workflow", "w", {})
        assert (await h.output(run))["expired"] is True
        approvals = await h.look(select(APPROVALS.c.state).where(APPROVALS.c.run_id == run))
        assert [row.state for row in approvals] == ["expired"]
        assert len(await h.look(select(RUNS.c.run_id))) == 1
