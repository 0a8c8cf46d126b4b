"""A run that cannot go on for want of a tool, a memory or a model says so, and goes on once it is there."""

import asyncio

from quarterdeck.common.errors import Unavailable
from quarterdeck.common.watching import Watched
from quarterdeck.runtime.effects.outcomes import failed, succeeded
from quarterdeck.runtime.execution.asking import ask_later
from quarterdeck.runtime.execution.looking import Lookout
from quarterdeck.runtime.testing.harness import TENANT, Harness

STEP = {"name": "a", "tool": {"server": "s", "name": "t", "arguments": {}}}
SPECS = {"Workflow/w": {"nodes": [STEP]}}


class Away:
    """A tool whose manager cannot be asked until it is back."""

    def __init__(self, clock, raises):
        self.back = False
        self._clock, self._raises = clock, raises

    async def perform(self, facts, definition, state, effect):
        pause = 0.4
        while not self.back:
            if self._raises:
                raise Unavailable("nobody listens")
            pause = await ask_later(self._clock, min(pause, 0.4), "tool s/t: nobody listens")
        return [succeeded(effect, {"ok": True})]


async def test_the_row_says_what_is_waited_for(tmp_path):
    for raises in (False, True):
        async with Harness(tmp_path / str(raises), specs=SPECS) as h:
            h.engine.performers = {"tool": (away := Away(h.clock, raises))}
            run = await h.start("Workflow", "w")

            async def told(run=run, h=h):
                row = await h.row(run)
                return row.reason if row.state == "running" else ""

            assert "nobody listens" in await h.until(told)
            away.back = True
            row = await h.wait(run)
            assert (row.state, row.reason) == ("succeeded", "")


async def test_what_became_of_it_is_not_said_any_more_while_the_run_goes_on(tmp_path):
    slow = {"name": "b", "tool": {"server": "s", "name": "slow", "arguments": {}}}
    gate = asyncio.Event()

    async def wait(arguments):
        await gate.wait()

    specs = {"Workflow/w": {"nodes": [{**STEP, "next": ["b"]}, slow]}}
    async with Harness(tmp_path, specs=specs, tools={"s/slow": wait}) as h:
        local, away = h.tools, Away(h.clock, False)
        h.engine.performers = {"tool": by_tool({"t": away, "slow": local})}
        run = await h.start("Workflow", "w")

        async def reason():
            return (await h.row(run)).reason

        assert await h.until(reason)
        away.back = True

        async def gone():
            return not await reason()

        await h.until(gone)
        assert (await h.row(run)).state == "running"
        gate.set()
        assert (await h.wait(run)).state == "succeeded"


class by_tool:
    """One performer for each tool."""

    def __init__(self, performers):
        self._performers = performers

    async def perform(self, facts, definition, state, effect):
        performer = self._performers[effect.target["tool"]]
        return await performer.perform(facts, definition, state, effect)


class Missing:
    """A tool that is not there until it is."""

    def __init__(self):
        self.looks, self.there = 0, False

    async def perform(self, facts, definition, state, effect):
        self.looks += 1
        if self.there:
            return [succeeded(effect, {"ok": True})]
        return [failed(effect, "unavailable", "unavailable", "no MCPServer s")]


def server(ready):
    status = {"conditions": [{"type": "Ready", "status": "True" if ready else "False"}]}
    return Watched(TENANT.name, TENANT.id, "MCPServer", "s", "r1", {"spec": {}, "status": status})


async def test_a_parked_run_looks_at_once_when_its_server_becomes_ready(tmp_path):
    async with Harness(tmp_path, specs=SPECS) as h:
        h.engine.performers = {"tool": (missing := Missing())}
        lookout = Lookout(h.engine)
        run = await h.start("Workflow", "w")
        assert "no MCPServer s" in (await h.wait(run, "waiting")).reason
        missing.there = True
        looked = missing.looks
        await lookout.on_object(server(ready=False), False)
        await lookout.on_object(server(ready=True), True)
        await asyncio.sleep(0.3)  # less than the first pause of a parked step
        assert missing.looks == looked
        await lookout.on_object(server(ready=True), False)
        assert (await h.wait(run, timeout=0.6)).state == "succeeded"


async def test_a_retry_of_the_author_is_not_hurried(tmp_path):
    retry = [{"errors": ["tool"], "attempts": 2, "delay": "1h"}]
    specs = {"Workflow/w": {"nodes": [{**STEP, "retry": retry}]}}

    async with Harness(tmp_path, specs=specs) as h:

        class Failing:
            async def perform(self, facts, definition, state, effect):
                return [failed(effect, "error", "tool", "no")]

        h.engine.performers = {"tool": Failing()}
        run = await h.start("Workflow", "w")
        await h.wait(run, "waiting")
        await Lookout(h.engine).on_object(server(ready=True), False)
        await asyncio.sleep(0.2)
        assert (await h.row(run)).state == "waiting"
