"""Workflows that go well: paths, waits, maps, branches, questions, loops, forks, pauses."""

from __future__ import annotations

from typing import Any

from hack.journals.house import House, question, tool, undo, workflow
from quarterdeck.common import codec
from quarterdeck.runtime.operations import deliveries
from quarterdeck.runtime.operations.forking import Forker
from quarterdeck.runtime.store import definitions
from quarterdeck.runtime.testing.harness import TENANT
from quarterdeck.runtime.testing.stubs import ToolFailure


def _flaky(times: int) -> Any:
    left = [times]

    async def flaky(arguments: Any) -> Any:
        left[0] -= 1
        if left[0] >= 0:
            raise ToolFailure("not yet")
        return {"n": 1}

    return flaky


async def path_with_retry_and_catch(house: House) -> None:
    """A retry with a delay, a caught error, a decision, a wait for time and one for a signal."""
    retry = [{"errors": ["tool"], "attempts": 2, "delay": "10ms"}]
    spec = workflow(
        tool("a", "flaky", retry=retry, next="b"),
        tool("b", "broken", catch=[{"errors": ["tool"], "to": "c"}]),
        {"name": "c", "transform": {"output": "${error.message}"}, "next": "d"},
        {"name": "d", "decision": {"cases": [{"when": "${nodes.a.output.n == 1}", "to": "e"}]}},
        {"name": "e", "wait": {"duration": "20ms"}, "next": "f"},
        {"name": "f", "wait": {"signal": {"name": "go"}}},
        output={"caught": "${nodes.c.output}", "told": "${nodes.f.output}"},
        timeout="1h",
    )
    async with house.open({"Workflow/w": spec}, {"flaky": _flaky(1)}) as h:
        run = await h.start("Workflow", "w", {"x": 1}, labels={"case": "7"})
        await h.signal(run, "go", {"early": True})
        await house.keep(h, run)


async def map_over_items(house: House) -> None:
    """Pages of children, one that fails and is tolerated, and a map of calls."""
    item = workflow(tool("t", "${input.tool}", {"n": "${input.n}"}))
    body = {"items": "${input}", "workflow": "item", "maxConcurrency": 2, "tolerateFailures": 1}
    body["input"] = {"n": "${item}", "tool": "${item == 3 ? 'broken' : 'echo'}"}
    calls = {"items": "${[1, 2]}", "tool": {"server": "s", "name": "echo", "arguments": {"n": "${index}"}}}
    spec = workflow(
        {"name": "m", "map": body, "next": "k"}, {"name": "k", "map": calls}, budget={"costUsd": 1}
    )
    async with house.open({"Workflow/w": spec, "Workflow/item": item}) as h:
        await house.keep(h, await h.start("Workflow", "w", [1, 2, 3, 4, 5]))


async def parallel_with_approvals(house: House) -> None:
    """Branches that call, ask, and need an approval for their call, which is changed."""
    asked: list[Any] = []

    async def guarded(arguments: Any) -> Any:
        asked.append(arguments)
        if len(asked) == 1:
            raise ToolFailure("ask first", status="needs_approval", kind="policy", approval_policy="p")
        return arguments

    branches = [
        tool("x", compensate=undo(n=1)),
        {"name": "y", "approval": {"policy": "p", "title": "go on?", "data": {"a": 1}, "editable": True}},
        tool("z", "guarded", {"n": 1}),
    ]
    async with house.open(
        {"Workflow/w": workflow({"name": "p", "parallel": {"branches": branches}})}, {"guarded": guarded}
    ) as h:
        run = await h.start("Workflow", "w", {})
        for _ in range(2):
            await h.approve(await question(h), answer={"n": 2}, comment="fine")
        await house.keep(h, run)


async def race_of_branches(house: House) -> None:
    """The first branch to succeed ends the others, a child run among them."""
    branches = [
        tool("x"),
        {"name": "y", "workflow": {"name": "c"}},
        {"name": "z", "wait": {"duration": "1h"}},
    ]
    node = {"name": "p", "parallel": {"branches": branches, "join": "any"}}
    specs = {"Workflow/w": workflow(node), "Workflow/c": workflow(tool("t", "slow", next="u"), tool("u"))}
    async with house.open(specs) as h:
        await house.keep(h, await h.start("Workflow", "w", {}))


async def loop_and_fork(house: House) -> None:
    """A loop of signals; a fork in the middle of it."""
    wait = {"name": "s", "wait": {"signal": {"name": "go"}}, "maxVisits": 3}
    wait["next"] = [{"to": "a", "when": "${output != 'stop'}"}]
    spec = workflow(tool("a", arguments={"n": 1}, next="s"), wait)
    async with house.open({"Workflow/w": spec}) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        seq = (await h.row(run)).current_seq
        made = await Forker(h.engine).fork(TENANT, run, seq + 1, "", dry_run=False)
        for number, one in enumerate((run, made.run_id)):
            await h.signal(one, "go", number)
            await h.signal(one, "go", "stop")
            await house.keep(h, one)


async def pause_repin_and_resume(house: House) -> None:
    """A run that is paused, resumed, and goes on under another definition."""
    spec = workflow({"name": "a", "wait": {"signal": {"name": "go"}}, "next": "b"}, tool("b"))
    async with house.open({"Workflow/w": spec}) as h:
        run = await h.start("Workflow", "w", {})
        await h.wait(run, "waiting")
        await h.pause(run, "look first")
        await h.resume(run, by="me")
        newer = {**spec, "nodes": [spec["nodes"][0], {"name": "b", "transform": {"output": "newer"}}]}
        specs = [("Workflow/w@2", "Workflow", "w", codec.dumps(newer))]
        closure = await h.database.write(definitions.save_closure, TENANT.id, ("Workflow", "w"), specs)
        now = h.clock.now()
        woken = await h.database.write(deliveries.repin, TENANT, run, closure, ["b"], now)
        await h.engine.wake(*woken)
        await h.signal(run, "go")
        await house.keep(h, run)


SCENARIOS = (
    path_with_retry_and_catch,
    map_over_items,
    parallel_with_approvals,
    race_of_branches,
    loop_and_fork,
    pause_repin_and_resume,
)
