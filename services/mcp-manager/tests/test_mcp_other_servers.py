"""Servers that others wrote: three in Python from PyPI, three in JavaScript from npm."""

from __future__ import annotations

import asyncio
import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp_support import Status, World, manifest, policy, value

from quarterdeck.v1 import tools_pb2

sys.path.insert(0, str(Path(__file__).parent / "npm"))

from install import install, node

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def packages() -> Path:
    """The npm packages, installed if they are not."""
    return Path(install(ROOT / "build" / "npm")) / "@modelcontextprotocol"


def local(*command: str, **spec: Any) -> dict[str, Any]:
    environment = spec.pop("env", {})
    started = {"command": list(command), "env": environment}
    return manifest("MCPServer", "other", {"local": started, "isolation": "shared", **spec})


async def serve(world: World, server: dict[str, Any]) -> set[str]:
    await world.apply(server, policy())
    await world.until_ready("other")
    return {tool.name for tool in (await world.list_tools("other")).tools}


async def test_time(world: World) -> None:
    assert await serve(world, local("mcp-server-time")) == {"get_current_time", "convert_time"}
    arguments = {"source_timezone": "Europe/Berlin", "time": "16:30", "target_timezone": "Asia/Tokyo"}
    converted = value(await world.call("convert_time", arguments, server="other"))
    assert "T16:30" in converted["source"]["datetime"]
    failed = await world.call("get_current_time", {"timezone": "Mars/Base"}, server="other")
    assert failed.status == Status.STATUS_TOOL_ERROR
    assert "Mars/Base" in failed.message


async def test_git(world: World) -> None:
    repository = world.path / "repository"
    git = ("git", "-c", "user.name=A", "-c", "user.email=a@example.com", "-C", str(repository))
    await asyncio.to_thread(subprocess.run, ["git", "init", "-q", str(repository)], check=True)
    (repository / "note.txt").write_text("first line\n")
    assert {"git_add", "git_commit", "git_log"} <= await serve(world, local("mcp-server-git"))
    here = {"repo_path": str(repository)}
    added = await world.call("git_add", {**here, "files": ["note.txt"]}, server="other")
    assert added.status == Status.STATUS_OK
    await asyncio.to_thread(subprocess.run, [*git, "commit", "-q", "-m", "a first commit"], check=True)
    log = await world.call("git_log", here, server="other")
    assert b"a first commit" in log.result_json


class Page(http.server.BaseHTTPRequestHandler):
    """One page, on every path but robots.txt."""

    def do_GET(self) -> None:
        found = self.path != "/robots.txt"
        self.send_response(200 if found else 404)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<html><body><h1>Ledger</h1><p>All invoices are paid.</p></body></html>")

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture
def page() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield f"http://127.0.0.1:{server.server_port}/page"
    server.shutdown()
    serving.join()
    server.server_close()


async def test_fetch(world: World, page: str) -> None:
    assert await serve(world, local("mcp-server-fetch", "--ignore-robots-txt", "--allow-private-ips")) == {
        "fetch"
    }
    fetched = await world.call("fetch", {"url": page}, server="other")
    assert fetched.status == Status.STATUS_OK, fetched.message
    assert b"All invoices are paid." in fetched.result_json
    refused = await world.call("fetch", {"url": page, "max_length": -1}, server="other")
    assert refused.status == Status.STATUS_INVALID_ARGUMENTS
    assert refused.message.startswith("arguments.max_length: -1 ")


async def test_everything(world: World, packages: Path) -> None:
    server = local(str(node()), str(packages / "server-everything" / "dist" / "index.js"), "stdio")
    names = await serve(world, server)
    assert {"echo", "get-sum", "trigger-long-running-operation"} <= names
    echoed = value(await world.call("echo", {"message": "hello"}, server="other"))
    assert echoed == {"text": "Echo: hello"}
    image = value(await world.call("get-tiny-image", {}, server="other"))
    assert [block["type"] for block in image["content"]] == ["text", "image", "text"]
    structured = value(await world.call("get-structured-content", {"location": "Chicago"}, server="other"))
    assert set(structured) >= {"temperature", "conditions"}


async def test_progress_of_everything(world: World, packages: Path) -> None:
    server = local(str(node()), str(packages / "server-everything" / "dist" / "index.js"), "stdio")
    await serve(world, server)
    request = world.request("trigger-long-running-operation", {"duration": 0.5, "steps": 5}, server="other")
    calling = asyncio.create_task(world.send(request))
    peer, stub = world.tools()
    seen: list[float] = []
    while not calling.done():
        watching = tools_pb2.WatchCallRequest(tenant="default", call_id=request.call_id)
        seen += [notice.progress async for notice in peer.stream(stub.WatchCall, watching)]
        await asyncio.sleep(0.01)
    assert seen == sorted(seen)
    assert seen[-1] == 5
    assert (await calling).status == Status.STATUS_OK


async def test_filesystem(world: World, packages: Path) -> None:
    folder = world.path / "folder"
    folder.mkdir()
    server = local(str(node()), str(packages / "server-filesystem" / "dist" / "index.js"), str(folder))
    assert {"read_text_file", "write_file"} <= await serve(world, server)
    text = "zeile\n" * 20_000
    written = await world.call("write_file", {"path": str(folder / "f"), "content": text}, server="other")
    assert written.status == Status.STATUS_OK, written.message
    read = await world.call("read_text_file", {"path": str(folder / "f")}, server="other")
    assert json.loads(read.result_json) == {"content": text}
    outside = await world.call("read_text_file", {"path": "/etc/hostname"}, server="other")
    assert outside.status == Status.STATUS_TOOL_ERROR


async def test_memory(world: World, packages: Path) -> None:
    index = str(packages / "server-memory" / "dist" / "index.js")
    kept = {"MEMORY_FILE_PATH": str(world.path / "memory.jsonl")}
    assert {"create_entities", "read_graph"} <= await serve(world, local(str(node()), index, env=kept))
    entity = {"name": "Acme", "entityType": "vendor", "observations": ["pays late"]}
    created = await world.call("create_entities", {"entities": [entity]}, server="other")
    assert created.status == Status.STATUS_OK, created.message
    graph = value(await world.call("read_graph", {}, server="other"))
    assert graph["entities"][0]["name"] == "Acme"
