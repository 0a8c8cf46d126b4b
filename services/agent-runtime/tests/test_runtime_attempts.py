"""Attempts: each with its own time, questions and outcome."""

import asyncio

import pytest
from runtime_kit.corners import harness, signal, tool, until
from sqlalchemy import select, update

from quarterdeck.common.errors import Conflict
from quarterdeck.runtime.approvals import deciding
from quarterdeck.runtime.execution.timers import fire_due
from quarterdeck.runtime.tables import DEFINITIONS, TIMERS
from quarterdeck.runtime.testing.harness import TENANT
from quarterdeck.runtime.testing.stubs import ToolFailure


async def test_an_attempt_has_its_own_timeout(tmp_path):
    waits = iter([0.3, 0.5])
    failures = iter([True, False])

    async def slow(arguments):
        await asyncio.sleep(next(waits))
        if next(failures):
            raise ToolFailure("first")
        return "second"

    retry = [{"errors": ["*"], "attempts": 2, "delay": "1ms"}]
    node = {"name": "a", "workflow": {"name": "c"}, "timeout": "600ms", "retry": retry}
    specs = {"Workflow/c": {"nodes": [tool("t", "slow")]}}
    async with harness(tmp_path, node, specs=specs, tools={"slow": slow}) as h:
        assert await h.output(await h.start("Workflow", "w", {})) == "second"


async def test_a_question_that_nobody_waits_for_any_more_is_withdrawn(tmp_path):
    ask = {"name": "a", "approval": {"policy": "p", "title": "t"}, "timeout": "50ms"}
    ask["catch"] = [{"errors": ["timeout"], "to": "b"}]
    async with harness(tmp_path, ask, signal("b")) as h:
        run = await h.start("Workflow", "w", {})

        async def withdrawn():
            return not await h.approvals()

        await h.wait(run, "waiting")
        assert await h.approvals()
        await until(withdrawn)
        assert (await h.row(run)).state in ("running", "waiting")


async def test_a_decision_that_came_too_late_is_refused(tmp_path):
    ask = {"name": "a", "approval": {"policy": "p", "title": "t"}}
    async with harness(tmp_path, ask, approval_expiry=lambda _tenant, _policy: 60.0) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        (asked,) = await h.approvals()

        def both(connection):
            connection.execute(update(TIMERS).values(due=0.0))
            assert fire_due(connection, 0.0, h.clock.now(), 10)[0] == 1
            vote = deciding.Vote(asked.approval_id, True, "me")
            with pytest.raises(Conflict):
                deciding.decide(connection, TENANT, vote, h.clock.now(), [], {})

        await h.database.write(both)
        await h.engine.wake([run], {})
        assert (await h.output(run))["expired"] is True


async def test_a_decision_in_time_holds_though_the_alarm_goes_off(tmp_path):
    ask = {"name": "a", "approval": {"policy": "p", "title": "t"}}
    async with harness(tmp_path, ask, approval_expiry=lambda _tenant, _policy: 60.0) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        (asked,) = await h.approvals()

        def both(connection):
            vote = deciding.Vote(asked.approval_id, True, "me")
            fire_due(connection, 0.0, h.clock.now() + 59.0, 10)
            deciding.decide(connection, TENANT, vote, h.clock.now(), [], {})
            fire_due(connection, 0.0, h.clock.now() + 61.0, 10)

        await h.database.write(both)
        await h.engine.wake([run], {})
        assert (await h.output(run))["approved"] is True


async def test_a_second_attempt_of_a_parallel_begins_afresh(tmp_path):
    calls = []

    async def flaky(arguments):
        calls.append(1)
        if len(calls) < 3:
            raise ToolFailure("no")
        return {"call": len(calls)}

    node = {
        "name": "p",
        "parallel": {"branches": [tool("x", "flaky"), tool("y", "flaky")]},
        "retry": [{"errors": ["tool"], "attempts": 3, "delay": "1ms"}],
    }
    async with harness(tmp_path, node, tools={"flaky": flaky}) as h:
        output = await h.output(await h.start("Workflow", "w", {}))
        assert sorted(branch["call"] for branch in output.values()) == [3, 4]


async def test_uncertainty_is_not_retried_for_ever(tmp_path):
    async def dies(arguments):
        raise ToolFailure("it died", status="uncertain", kind="uncertain", policy="retry")

    async with harness(tmp_path, tool("a", "dies"), tools={"dies": dies}) as h:
        assert (await h.error(await h.start("Workflow", "w", {})))["class"] == "uncertain"
        assert 2 <= len(h.tools.calls) <= 4


@pytest.mark.parametrize("wait", [{"until": "${input}"}, {"duration": "${input}"}])
async def test_a_wait_that_makes_no_sense_fails_its_step(tmp_path, wait):
    async with harness(tmp_path, {"name": "a", "wait": wait}) as h:
        error = await h.error(await h.start("Workflow", "w", "soon"))
        assert error["class"] == "validation" and "soon" in error["message"]


async def test_the_items_of_a_map_are_data_not_templates(tmp_path):
    body = {"items": "${input}", "tool": {"server": "s", "name": "echo", "arguments": {"v": "${item}"}}}
    items = ["${1 + 1}", "${oops", "$${x}"]
    async with harness(tmp_path, {"name": "m", "map": body}) as h:
        assert await h.output(await h.start("Workflow", "w", items)) == [{"v": item} for item in items]
        assert len(await h.look(select(DEFINITIONS.c.revision))) == 2
