"""Opening a connection to a tool server: a process of its own, or an address."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from quarterdeck.mcp import process
from quarterdeck.mcp.exchange import Exchange
from quarterdeck.mcp.noise import LineLog

# How long a server whose output has ended gets to end itself, so that its exit status can be told.
_LAST_WORDS = 1.0


@dataclass(frozen=True, slots=True)
class Connection:
    """An open connection.

    Args:
        channel: the arguments by which `mcp.ClientSession` speaks to the server.
        exchange: its requests in flight.
        ended: resolves with the reason when the server is gone; never for one that is only addressed.
        incarnation: names the start of a local server, see `incarnation.py`; empty for a remote one.
        pid: process id of a local server's launcher, 0 for a remote one.
    """

    channel: Mapping[str, Any]
    exchange: Exchange
    ended: asyncio.Future[str]
    incarnation: str = ""
    pid: int = 0


Connect = Callable[[Exchange], AbstractAsyncContextManager[Connection]]


@asynccontextmanager
async def open_local(
    command: process.Command, exchange: Exchange, errors: LineLog, stray: LineLog
) -> AsyncIterator[Connection]:
    """Starts a server and ends it, and all it started, on exit. Raises OSError if it cannot be started.

    Args:
        command: what to start.
        exchange: the requests in flight.
        errors: takes the server's standard error.
        stray: takes lines on its standard output that are no messages.
    """
    from quarterdeck.mcp.dispatcher import StdioDispatcher

    running = await process.start(command, errors.feed)
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    watching = asyncio.create_task(_watch(running, ended, errors, stray))
    try:
        channel = {"dispatcher": StdioDispatcher(running, exchange, stray)}
        yield Connection(channel, exchange, ended, running.incarnation, running.pid)
    finally:
        watching.cancel()
        # Shielded: a process that outlives a cancelled owner would be nobody's.
        await asyncio.shield(asyncio.ensure_future(running.stop()))


async def _watch(
    running: process.ServerProcess, ended: asyncio.Future[str], errors: LineLog, stray: LineLog
) -> None:
    """Resolves `ended` when the process is gone, or has closed its output."""
    over: asyncio.Future[Any] = asyncio.ensure_future(running.output_ended.wait())
    exited: asyncio.Future[Any] = running.exited
    await asyncio.wait([exited, over], return_when=asyncio.FIRST_COMPLETED)
    over.cancel()
    done, _ = await asyncio.wait([running.exited], timeout=_LAST_WORDS)
    how = process.describe_exit(running.exited.result()) if done else "closed its output"
    said = errors.tail or stray.tail
    ended.set_result(f"{how}; it wrote: {said}" if said else how)
