"""Runs that fail, are cancelled or take too long: compensation, finally, and what nobody knows."""

from __future__ import annotations

import asyncio
from typing import Any

from hack.journals.house import House, lost, question, tool, undo, workflow


async def compensate_and_finally(house: House) -> None:
    """A failure undoes what was done, branches too, in reverse; then comes `finally`."""
    branches = [tool("x", arguments={"n": 2}, compensate=undo(n="${output.n}")), tool("y")]
    spec = workflow(
        tool("a", arguments={"n": 1}, compensate=undo(n="${output.n}"), next="p"),
        {"name": "p", "parallel": {"branches": branches}, "next": "b"},
        tool("b", "broken"),
        tool("last", arguments={"why": "${error.message}"}),
        **{"finally": "last"},
    )
    async with house.open({"Workflow/w": spec}) as h:
        await house.keep(h, await h.start("Workflow", "w", {}))


async def uncertain_effects(house: House) -> None:
    """One call is retried, one is checked and asked about: it was done."""
    died: set[str] = set()

    def dying(name: str, policy: str) -> Any:
        async def dies(arguments: Any) -> Any:
            if name in died:
                return name
            died.add(name)
            raise lost(policy)

        return dies

    spec = workflow(tool("a", "harmless", next="b"), tool("b", "checked"))
    tools = {"harmless": dying("harmless", "retry"), "checked": dying("checked", "check")}
    async with house.open({"Workflow/w": spec}, tools) as h:
        run = await h.start("Workflow", "w", {})
        await question(h)
        await h.resume(run, by="me", resolution="done", outcome={"found": 1})
        await house.keep(h, run)


async def cancel_with_unknowns(house: House) -> None:
    """Cancelled while a child is at work and a call is on its way whose outcome nobody knows."""
    began = asyncio.Event()

    async def dies(arguments: Any) -> Any:
        began.set()
        await asyncio.sleep(0.05)
        raise lost("ask")

    branches = [tool("x", "dies", compensate=undo(n="${output}")), {"name": "y", "workflow": {"name": "c"}}]
    specs = {
        "Workflow/w": workflow({"name": "p", "parallel": {"branches": branches}}),
        "Workflow/c": workflow({"name": "s", "wait": {"signal": {"name": "never"}}}),
    }
    async with house.open(specs, {"dies": dies}) as h:
        run = await h.start("Workflow", "w", {})
        await began.wait()
        await h.cancel(run, "enough")
        await question(h)
        await h.resume(run, by="me", resolution="done", outcome=7)
        await house.keep(h, run)


async def attempts_that_take_too_long(house: House) -> None:
    """A child is told to stop and waited for, before it is tried again; then the run takes too long."""
    retry = [{"errors": ["timeout"], "attempts": 2, "delay": "1ms"}]
    sub = {"name": "sub", "workflow": {"name": "c"}, "timeout": "50ms", "retry": retry}
    sub["catch"] = [{"errors": ["timeout"], "to": "s"}]
    specs = {
        "Workflow/w": workflow(sub, {"name": "s", "wait": {"duration": "1h"}}, timeout="1s"),
        "Workflow/c": workflow(tool("t", "slow", next="u"), tool("u")),
    }
    async with house.open(specs) as h:
        await house.keep(h, await h.start("Workflow", "w", {}))


async def failures_in_finally(house: House) -> None:
    """An output that cannot be made, and a `finally` that is visited too often."""
    spec = workflow(
        tool("a", compensate=undo(n=1)),
        tool("last", next="last", maxVisits=2),
        output="${nodes.a.output.missing}",
        **{"finally": "last"},
    )
    async with house.open({"Workflow/w": spec}) as h:
        await house.keep(h, await h.start("Workflow", "w", {}))


async def terminated_at_work(house: House) -> None:
    """Ended at once, with a call on its way."""
    began, forever = asyncio.Event(), asyncio.Event()

    async def stuck(arguments: Any) -> Any:
        began.set()
        await forever.wait()

    async with house.open({"Workflow/w": workflow(tool("a", "stuck"))}, {"stuck": stuck}) as h:
        run = await h.start("Workflow", "w", {})
        await began.wait()
        await h.terminate(run, "enough")
        await house.keep(h, run)
        forever.set()


SCENARIOS = (
    compensate_and_finally,
    uncertain_effects,
    cancel_with_unknowns,
    attempts_that_take_too_long,
    failures_in_finally,
    terminated_at_work,
)
