"""Nodes, tools and a harness for small workflows that come into a corner."""

import asyncio

from sqlalchemy import select

from quarterdeck.runtime.testing.harness import Harness
from quarterdeck.runtime.testing.stubs import ToolFailure


def tool(name, tool_name="echo", arguments=None, **more):
    return {"name": name, "tool": {"server": "s", "name": tool_name, "arguments": arguments or {}}, **more}


def signal(name, awaited="go", **more):
    return {"name": name, "wait": {"signal": {"name": awaited}}, **more}


def undo(**arguments):
    return {"tool": {"server": "s", "name": "undo", "arguments": arguments}}


async def echo(arguments):
    return arguments


async def broken(arguments):
    raise ToolFailure("no")


def harness(tmp_path, *nodes, specs=None, tools=None, **more):
    local = {"s/echo": echo, "s/undo": echo, "s/broken": broken}
    local |= {f"s/{name}": function for name, function in (tools or {}).items()}
    every = {"Workflow/w": {"nodes": list(nodes)}, **(specs or {})}
    return Harness(tmp_path, specs=every, tools=local, **more)


def undone(h):
    return [arguments for name, arguments in h.tools.calls if name == "s/undo"]


async def restart(h):
    """Ends the worker as a crash would, and starts another that remembers nothing."""
    for task in [*h.worker._loops, *h.worker._runs.values()]:
        task.cancel()
    await asyncio.gather(*h.worker._loops, *h.worker._runs.values(), return_exceptions=True)
    await h.start_worker()


async def count(h, table, run):
    return len(await h.look(select(table.c.run_id).where(table.c.run_id == run)))


async def until(condition, timeout=10.0):
    async with asyncio.timeout(timeout):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.01)
