"""Where scenarios are played: the real engine on a database of its own, with tools and models in process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from quarterdeck.runtime.effects.outcomes import failed
from quarterdeck.runtime.events import Event
from quarterdeck.runtime.testing.harness import Harness
from quarterdeck.runtime.testing.stubs import LocalModels, LocalTool, ToolFailure

Turns = Callable[[Any, Any], Awaitable[dict[str, Any]]]


def tool(name: str, tool_name: str = "echo", arguments: Any = None, **more: Any) -> dict[str, Any]:
    """Returns a tool node."""
    return {"name": name, "tool": {"server": "s", "name": tool_name, "arguments": arguments or {}}, **more}


def undo(**arguments: Any) -> dict[str, Any]:
    """Returns a compensation."""
    return {"tool": {"server": "s", "name": "undo", "arguments": arguments}}


def workflow(*nodes: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Returns the spec of a Workflow."""
    return {"nodes": list(nodes), **more}


def lost(policy: str) -> ToolFailure:
    """Returns the failure of a call whose outcome is uncertain."""
    return ToolFailure("it died", status="uncertain", kind="uncertain", policy=policy, check={"tool": "look"})


async def _echo(arguments: Any) -> Any:
    return arguments


async def _broken(arguments: Any) -> Any:
    raise ToolFailure("it broke")


async def _slow(arguments: Any) -> Any:
    await asyncio.sleep(0.2)
    return "late"


class _Checks:
    async def perform(self, facts: Any, definition: Any, state: Any, effect: Any) -> list[Event]:
        """Never finds out."""
        return [failed(effect, "uncertain", "uncertain", "who knows", policy="ask", check=None)]


class House:
    """Opens engines and remembers the journals of the runs that were played in them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.recorded: list[tuple[str, list[Event]]] = []

    @asynccontextmanager
    async def open(
        self,
        specs: Mapping[str, Any],
        tools: Mapping[str, LocalTool] | None = None,
        turns: Turns | None = None,
    ) -> AsyncIterator[Harness]:
        """Opens an engine; `turns` answers for every model."""
        known = {"echo": _echo, "undo": _echo, "broken": _broken, "slow": _slow, **(tools or {})}
        performers: dict[str, Any] = {"check": _Checks()}
        if turns is not None:
            performers["model"] = LocalModels(turns, cost=100, tokens=10)
        local = {f"s/{name}": function for name, function in known.items()}
        async with Harness(self._folder, specs=specs, tools=local, performers=performers) as harness:
            yield harness

    async def keep(self, harness: Harness, run_id: str) -> None:
        """Waits for the end of a run and keeps its journal and those below it."""
        await harness.wait(run_id)
        for one in await harness.tree(run_id):
            self.recorded.append((one, await harness.journal(one)))


async def question(harness: Harness) -> str:
    """Waits for an open approval and returns its id."""
    found = await harness.until(harness.approvals)
    return str(found[0].approval_id)
