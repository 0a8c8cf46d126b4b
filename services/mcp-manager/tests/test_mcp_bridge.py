"""Servers that others wrote behind the bridge, spoken to by the manager and by the protocol's own SDK."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from bridge_support import ROOT, Bridge, bridge
from mcp_support import NASTY, Status, World, eventually, manifest, policy, value

sys.path.insert(0, str(Path(__file__).parent / "npm"))

from install import install, node


@pytest.fixture(scope="module")
def packages() -> Path:
    """The npm packages, installed if they are not."""
    return Path(install(ROOT / "build" / "npm")) / "@modelcontextprotocol"


def installed(name: str) -> str:
    """Returns a program of this environment, which need not be in anybody's PATH."""
    return str(Path(sys.executable).with_name(name))


async def ready(world: World) -> bool:
    return bool((await world.condition("Ready", "other")).get("status") == "True")


async def through(world: World, served: Bridge, **spec: Any) -> set[str]:
    """Applies a server at the bridge's address and returns the names of its tools."""
    await served.until_ready()
    tried = await served.processes()
    remote = {"remote": {"url": served.url}, "isolation": "shared", **spec}
    await world.apply(manifest("MCPServer", "other", remote), policy())
    await eventually(lambda: ready(world), within=60)
    assert tried == await served.processes(), "the process that was tried is the session's"
    return {tool.name for tool in (await world.list_tools("other")).tools}


async def test_time_through_the_manager(world: World) -> None:
    async with bridge(installed("mcp-server-time")) as served:
        assert await through(world, served) == {"get_current_time", "convert_time"}
        arguments = {"source_timezone": "Europe/Berlin", "time": "16:30", "target_timezone": "Asia/Tokyo"}
        converted = value(await world.call("convert_time", arguments, server="other"))
        assert "T16:30" in converted["source"]["datetime"]
        failed = await world.call("get_current_time", {"timezone": "Mars/Base"}, server="other")
        assert failed.status == Status.STATUS_TOOL_ERROR


async def test_git_through_the_manager(world: World) -> None:
    repository = world.path / "repository"
    await asyncio.to_thread(subprocess.run, ["git", "init", "-q", str(repository)], check=True)
    (repository / "note.txt").write_text("first line\n")
    async with bridge(installed("mcp-server-git")) as served:
        assert {"git_add", "git_status"} <= await through(world, served)
        added = await world.call(
            "git_add", {"repo_path": str(repository), "files": ["note.txt"]}, server="other"
        )
        assert added.status == Status.STATUS_OK, added.message


async def test_fetch_through_the_manager(world: World) -> None:
    async with bridge(installed("mcp-server-fetch")) as served:
        assert await through(world, served) == {"fetch"}
        refused = await world.call("fetch", {"url": "http://x.invalid", "max_length": -1}, server="other")
        assert refused.status == Status.STATUS_INVALID_ARGUMENTS


async def test_everything_asks_its_client(packages: Path) -> None:
    """Progress, requests of the server and their answers, both ways of the SDK's client."""
    import mcp_types as types
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async def sample(_context: Any, params: Any) -> types.CreateMessageResult:
        return types.CreateMessageResult(
            role="assistant", content=types.TextContent(type="text", text="sampled"), model="none"
        )

    seen: list[float] = []

    async def progressed(progress: float, total: float | None, message: str | None) -> None:
        seen.append(progress)

    command = (str(node()), str(packages / "server-everything" / "dist" / "index.js"), "stdio")
    async with AsyncExitStack() as stack:
        served = await stack.enter_async_context(bridge(*command))
        streams = await stack.enter_async_context(streamable_http_client(served.url))
        session = await stack.enter_async_context(
            ClientSession(streams[0], streams[1], sampling_callback=sample)
        )
        await session.initialize()
        slow = {"duration": 0.5, "steps": 5}
        await session.call_tool("trigger-long-running-operation", slow, progress_callback=progressed)
        names = {tool.name for tool in (await session.list_tools()).tools}
        asked = await session.call_tool("trigger-sampling-request", {"prompt": "hi", "maxTokens": 5})
    assert seen == [1, 2, 3, 4, 5]
    assert {"echo", "trigger-sampling-request"} <= names
    assert "sampled" in str(asked.content)


async def test_filesystem_through_the_manager(world: World, packages: Path) -> None:
    folder = world.path / "folder"
    folder.mkdir()
    index = str(packages / "server-filesystem" / "dist" / "index.js")
    async with bridge(str(node()), index, str(folder)) as served:
        assert {"read_text_file", "write_file"} <= await through(world, served)
        text = "zeile\n" * 20_000
        written = await world.call("write_file", {"path": str(folder / "f"), "content": text}, server="other")
        assert written.status == Status.STATUS_OK, written.message
        read = await world.call("read_text_file", {"path": str(folder / "f")}, server="other")
        assert json.loads(read.result_json) == {"content": text}


async def test_memory_through_the_manager(world: World, packages: Path) -> None:
    index = str(packages / "server-memory" / "dist" / "index.js")
    kept = {"MEMORY_FILE_PATH": str(world.path / "memory.jsonl")}
    async with bridge(str(node()), index, env=kept) as served:
        assert {"create_entities", "read_graph"} <= await through(world, served)
        entity = {"name": "Acme", "entityType": "vendor", "observations": ["pays late"]}
        created = await world.call("create_entities", {"entities": [entity]}, server="other")
        assert created.status == Status.STATUS_OK, created.message


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_both_eras_of_the_sdk(mode: str) -> None:
    """An SDK server speaks both eras: the newer needs no session, the older gets one."""
    from mcp import Client

    code = (
        "from mcp.server.mcpserver import MCPServer\n"
        "server = MCPServer('echo')\n"
        "@server.tool()\n"
        "def echo(text: str) -> str:\n    return text\n"
        "server.run('stdio')\n"
    )
    async with bridge(sys.executable, "-c", code) as served:
        await served.until_ready()
        async with Client(served.url, mode=mode) as client:
            answered = await client.call_tool("echo", {"text": "hello"})
            assert "hello" in str(answered.content)
            assert (await served.get("/status")).json()["sessions"] == (1 if mode == "legacy" else 0)
        assert (await served.get("/status")).json()["sessions"] == 0


async def test_a_crash_during_a_write_is_uncertain_and_named(world: World) -> None:
    async with bridge(sys.executable, str(NASTY)) as served:
        await through(world, served)
        outcome = await world.call("crash", {}, server="other")
        assert outcome.status == Status.STATUS_UNCERTAIN
        assert "exit status 3" in outcome.message
        assert "about to crash on purpose" in outcome.message
