"""The bridge before a stdio server, for tests that speak to it as its clients do."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

ROOT = Path(__file__).parents[3]
BINARY = ROOT / "build" / "bridge"
SOURCES = ROOT / "services" / "mcp-manager" / "bridge"


def built() -> Path:
    """The program, built anew when a source is younger."""
    newest = max(path.stat().st_mtime for path in SOURCES.rglob("*.go"))
    if not BINARY.exists() or BINARY.stat().st_mtime < newest:
        subprocess.run(["sh", str(ROOT / "hack" / "bridge.sh"), "build"], check=True)
    return BINARY


class Bridge:
    """A running bridge."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, management: str) -> None:
        self.process = process
        self.url = url
        self.management = management

    async def get(self, path: str) -> httpx2.Response:
        async with httpx2.AsyncClient() as client:
            return await client.get(self.management + path)

    async def until_ready(self, within: float = 60) -> None:
        async with asyncio.timeout(within):
            while (await self.get("/readyz")).status_code != 200:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)

    async def processes(self) -> list[int]:
        """Returns the ids of the server's processes."""
        return [int(one["pid"]) for one in (await self.get("/status")).json()["processes"]]

    async def busy(self, within: float = 30) -> int:
        """Waits until a request is under way; returns the id of the process that has it."""
        async with asyncio.timeout(within):
            while True:
                for one in (await self.get("/status")).json()["processes"]:
                    if one["inFlight"]:
                        return int(one["pid"])
                await asyncio.sleep(0.01)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)


@asynccontextmanager
async def bridge(
    *command: str,
    flags: tuple[str, ...] = (),
    env: Mapping[str, str] | None = None,
    through: tuple[str, ...] = (),
) -> AsyncIterator[Bridge]:
    """Starts a bridge on free ports, by way of a command `through`, and ends it and what it started."""
    addresses = ("-listen", "127.0.0.1:0", "-management", "127.0.0.1:0")
    process = await asyncio.create_subprocess_exec(
        *through, str(built()), "serve", *addresses, *flags, "--", *command,
        env={**os.environ, **(env or {})}, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        management = await _address(process, r"management at (http://\S+)")
        url = await _address(process, r"at (http://\S+/mcp)")
        drain = asyncio.create_task(_drain(process))
        yield Bridge(process, url, management)
        drain.cancel()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGINT)
        await process.wait()


async def _address(process: asyncio.subprocess.Process, pattern: str) -> str:
    assert process.stderr is not None
    async with asyncio.timeout(30):
        while line := (await process.stderr.readline()).decode():
            if found := re.search(pattern, line):
                return found.group(1)
    raise RuntimeError("the bridge did not start")


async def _drain(process: asyncio.subprocess.Process) -> None:
    assert process.stderr is not None
    while await process.stderr.readline():
        pass


async def greet(client: httpx2.AsyncClient, served: Bridge) -> dict[str, str]:
    """Begins a session and returns the headers that belong to it."""
    params = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "t", "version": "1"},
    }
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
    headers = {"accept": "application/json, text/event-stream"}
    answer = await client.post(served.url, json=hello, headers=headers)
    return {**headers, "mcp-session-id": answer.headers["mcp-session-id"]}


def calling(tool: str, **arguments: Any) -> dict[str, Any]:
    """The request that calls a tool."""
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params}
