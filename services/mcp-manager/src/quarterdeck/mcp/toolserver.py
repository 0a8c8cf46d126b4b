"""One tool server of a tenant: its sessions, its tools, and how it is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from quarterdeck.mcp.catalog import Tool, read_tools
from quarterdeck.mcp.constants import START_TIMEOUT
from quarterdeck.mcp.definition import Definition
from quarterdeck.mcp.exchange import Exchange
from quarterdeck.mcp.failures import NotSent
from quarterdeck.mcp.offload import Offload
from quarterdeck.mcp.pins import OFF, held_tools
from quarterdeck.mcp.pool import SPARE, Pool
from quarterdeck.mcp.rates import Rates
from quarterdeck.mcp.session import Session
from quarterdeck.mcp.supervisor import Crash

_RECOVERY_PAUSE = 1.0


class Pins(Protocol):
    """Where the pins of first use are kept."""

    async def record(self, definition: Definition, pins: Mapping[str, str]) -> dict[str, str]:
        """Records the pins of tools that have none yet; returns all recorded ones, by tool."""


class Listings(Protocol):
    """Where the tools of servers that may sleep are kept."""

    async def find(self, definition: Definition) -> list[dict[str, Any]] | None:
        """Returns the tools as they were listed last, None if the server has to be asked."""

    async def keep(self, definition: Definition, listed: Sequence[dict[str, Any]]) -> None:
        """Records the tools."""


class Connector(Protocol):
    """Opens connections to servers."""

    def session(
        self, definition: Definition, exchange: Exchange, on_tools_changed: Callable[[], None]
    ) -> Session:
        """Returns a session with the server, not started."""


@dataclass(frozen=True, slots=True)
class ServerState:
    """How a server is, for its status.

    Args:
        ready: calls can be made.
        reason: one word for programs.
        message: one sentence for people.
        crashes: unwanted ends in a row; `crash_loop` when they are too many.
        listed: its tools as they came over the wire, None while they are not known.
        tools: those of them that may be called.
    """

    ready: bool
    reason: str
    message: str
    crashes: int
    crash_loop: bool
    listed: Sequence[Mapping[str, Any]] | None
    tools: Mapping[str, Tool]


class ToolServer:
    """A tool server.

    Args:
        definition: what the MCPServer says.
        connector: opens connections to it.
        offload: the worker process.
        pins: where pins of first use are kept.
        on_change: called with this server whenever `state()` may have changed.
        listings: where its tools are kept while it sleeps; None where none does.
    """

    def __init__(
        self,
        definition: Definition,
        connector: Connector,
        offload: Offload,
        pins: Pins,
        on_change: Callable[[ToolServer], None],
        listings: Listings | None = None,
    ) -> None:
        self.definition = definition
        self._connector = connector
        self._offload = offload
        self._pins = pins
        self._on_change = on_change
        self._listings = listings
        self.rates = Rates()
        """What is left of its allowances."""
        self._listed: list[dict[str, Any]] | None = None
        self._tools: dict[str, Tool] = {}
        self._held: frozenset[str] = frozenset()
        self._problem = ""
        self._wanted = asyncio.Event()
        self._background: set[asyncio.Task[None]] = set()
        self._used_at = time.monotonic()
        self._pool = self._new_pool()
        self._keeper = asyncio.create_task(self._keep_ready())
        self._wanted.set()

    def _new_pool(self) -> Pool:
        return Pool(self.definition.pool, self._new_session, self._absorb, self._on_crash)

    def _new_session(self) -> Session:
        exchange = Exchange(self.definition.message_bytes, self._offload, self._output_schema)
        return self._connector.session(self.definition, exchange, self._relist)

    def _output_schema(self, tool: str) -> dict[str, Any] | None:
        found = self._tools.get(tool)
        return None if found is None else found.output_schema

    # What it is.

    @property
    def tools(self) -> Mapping[str, Tool]:
        """The tools that may be called, as far as known."""
        return self._tools

    @property
    def listed_names(self) -> frozenset[str]:
        """Every tool that the server has, allowed or not."""
        return frozenset(str(tool["name"]) for tool in self._listed or ())

    @property
    def held(self) -> frozenset[str]:
        """Tools whose pin is not accepted."""
        return self._held

    async def ready_tools(self, timeout: float) -> Mapping[str, Tool]:
        """Returns the tools, starting the server if they are not known. Raises NotSent."""
        if self._listed is None and not await self._recall():
            self._refuse_unreachable()
            self._used_at = time.monotonic()
            async with self._pool.lease(SPARE, timeout):
                pass
        return self._tools

    def state(self) -> ServerState:
        """Says how the server is."""
        decision = self._pool.decision()
        ready, reason, message = self._verdict(decision.crash_loop)
        return ServerState(
            ready, reason, message, decision.crashes, decision.crash_loop, self._listed, self._tools
        )

    def _verdict(self, crash_loop: bool) -> tuple[bool, str, str]:
        if self.definition.refusal:
            return False, "NotEnforced", self.definition.refusal
        if crash_loop:
            crash = self._pool.last_crash
            return False, "CrashLoop", crash.reason if crash else ""
        if self._problem:
            return False, "StartFailed", self._problem
        if self._listed is None:
            return False, "Starting", "the tools have not been listed yet"
        if self._held:
            names = ", ".join(sorted(self._held))
            return True, "ToolsHeld", f"not accepted since they changed: {names}"
        return True, "Ready", f"{len(self._tools)} tools"

    # Using it.

    def lease(self, key: str, timeout: float) -> AbstractAsyncContextManager[Session]:
        """Gives a session for one call, see `Pool.lease`. Raises NotSent."""
        self._refuse_unreachable()
        self._used_at = time.monotonic()
        return self._pool.lease(key, timeout)

    def rest(self) -> None:
        """Ends the sessions: whom they are with is about to go."""
        for session in self._pool.sessions:
            self._pool.retire(session)

    @property
    def busy(self) -> bool:
        """Whether somebody has a session or waits for one, or its tools are still to be listed."""
        return self._pool.busy or self._listed is None

    def unused_for(self) -> float:
        """Returns the seconds since a session was asked for last."""
        return time.monotonic() - self._used_at

    def retire(self, session: Session) -> None:
        """Ends a session on which a call never came back, see `Pool.retire`."""
        self._pool.retire(session)

    def suspect(self, session: Session) -> None:
        """Finds out whether a session on which a call timed out still answers, see `Pool.suspect`."""
        self._pool.suspect(session)

    def _refuse_unreachable(self) -> None:
        if self.definition.where is None or self.definition.refusal:
            raise NotSent(self.definition.refusal or "the server says nowhere to reach it")

    # Changes.

    async def update(self, definition: Definition) -> None:
        """Takes a new definition; the process is started anew only if it says something new about it."""
        old, self.definition = self.definition, definition
        if old.same_process(definition):
            await self._merge()
        else:
            pool, self._pool = self._pool, self._new_pool()
            self._listed, self._problem = None, ""
            self._wanted.set()
            self._in_background(pool.close(grace=definition.call_timeout))
        self._on_change(self)

    async def close(self, grace: float = 0.0) -> None:
        """Ends every session; calls under way get `grace` seconds."""
        self._keeper.cancel()
        await self._pool.close(grace)
        await asyncio.gather(self._keeper, *self._background, return_exceptions=True)

    async def _absorb(self, session: Session) -> None:
        """Reads the tools of a session. Raises CallFailed.

        Every session is asked, not only the first: its process may be of another version, and what is
        called must be what was pinned.
        """
        listed = await session.list_tools()
        changed = listed != self._listed
        self._listed, self._problem = listed, ""
        if changed:
            await self._merge()
            if self._listings is not None:
                await self._listings.keep(self.definition, listed)
        self._on_change(self)

    async def _recall(self) -> bool:
        """Takes the tools from the record; False if there is none, and the server has to be asked."""
        definition = self.definition
        found = None if self._listings is None else await self._listings.find(definition)
        if found is None or definition is not self.definition or self._listed is not None:
            return self._listed is not None
        self._listed, self._problem = found, ""
        await self._merge()
        self._on_change(self)
        return True

    async def _merge(self) -> None:
        """Puts together what the server lists and what the author says."""
        definition = self.definition
        tools = read_tools(
            self._listed or (), definition.allowed, definition.rules, definition.trust_annotations
        )
        present = {name: tool.pin for name, tool in tools.items()}
        recorded = {} if definition.pinning == OFF else await self._pins.record(definition, present)
        self._held = held_tools(definition.pinning, present, recorded, definition.accepted_pins)
        self._tools = tools

    def _relist(self) -> None:
        """Asks again after the server said that its tools changed."""
        self._in_background(self._relist_now())

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _relist_now(self) -> None:
        for session in self._pool.sessions:
            try:
                await self._absorb(session)
            except Exception as error:
                self._problem = f"the tools could not be listed again: {error}"

    def _on_crash(self, crash: Crash) -> None:
        if self.definition.pool.shared or self._listed is None:
            self._problem = crash.reason
            self._wanted.set()
        self._on_change(self)

    async def _keep_ready(self) -> None:
        """Starts the server whenever it should be up and is not, as often as its history allows."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            if self.definition.where is None or self.definition.refusal:
                continue
            if self._listed is None and await self._recall():
                continue
            try:
                async with self._pool.lease(SPARE, START_TIMEOUT):
                    pass
            except NotSent as error:
                self._problem = self._problem or str(error)
                self._on_change(self)
                wait = self._pool.decision().not_before - time.monotonic()
                await asyncio.sleep(max(wait, _RECOVERY_PAUSE))
                self._wanted.set()
