"""Tool calls: through the manager, and by the SDK's client alone.

Usage: python bench/tools.py [--calls N] [--server minimal|sdk]

Both call the same echo server over stdio, in turns, so that both see the same machine. Ours is the whole path
of a run's tool call: gRPC over a unix socket, authentication, authorisation, policy, schema, telemetry. The
median that it adds is the figure; beside it stand what a bare gRPC hop costs here and now, and what a write
costs, whose intent and outcome are durable.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import uvloop
from report import Figure, report

from quarterdeck.common import codec
from quarterdeck.common.identity import Principal
from quarterdeck.common.proofs.holders import RunClaim, Uses
from quarterdeck.common.rpc_client import act_for
from quarterdeck.common.service import open_platform
from quarterdeck.common.settings import PlatformSettings
from quarterdeck.v1 import resources_pb2, resources_pb2_grpc, tools_pb2, tools_pb2_grpc

RUN = RunClaim(Principal("admin"), "default", "t1", "run-1", 1, Uses(frozenset({"echo/*"})))

TARGET_MS = 1.0
WARM_UP = 100
Once = Callable[[], Awaitable[Any]]

# The smallest server there is, so that what is measured is the path and not the server.
ECHO = """
import json, sys
TOOL = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
def result(method, params):
    if method == "initialize":
        return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}},
                "serverInfo": {"name": "echo", "version": "1"}}
    if method == "tools/list":
        return {"tools": [{"name": name, "inputSchema": TOOL} for name in ("echo", "note")]}
    if method == "ping":
        return {}
    return {"content": [{"type": "text", "text": params["arguments"]["text"]}]}
for line in sys.stdin:
    request = json.loads(line)
    if "id" in request:
        answer = {"jsonrpc": "2.0", "id": request["id"],
                  "result": result(request["method"], request.get("params"))}
        sys.stdout.write(json.dumps(answer) + "\\n")
        sys.stdout.flush()
"""
# One made with the SDK, for what a common server costs.
SDK_ECHO = """
from mcp.server.mcpserver import MCPServer
server = MCPServer("echo")
@server.tool()
def echo(text: str) -> str:
    return text
@server.tool()
def note(text: str) -> str:
    return text
server.run("stdio")
"""
SERVERS = {"minimal": ECHO, "sdk": SDK_ECHO}


@asynccontextmanager
async def peer(code: str) -> AsyncIterator[Once]:
    """The SDK's client, speaking to the server itself."""
    from mcp import ClientSession, StdioServerParameters
    from mcp.client.stdio import stdio_client

    server = StdioServerParameters(command=sys.executable, args=["-c", code])
    async with stdio_client(server) as streams, ClientSession(*streams) as session:
        await session.initialize()
        await session.list_tools()
        yield lambda: session.call_tool("echo", {"text": "hello"})


@asynccontextmanager
async def ours(folder: Path, code: str) -> AsyncIterator[dict[str, Once]]:
    """The manager with its registry, called as the runtime calls it: a read, and a write."""
    from quarterdeck.mcp import main as manager
    from quarterdeck.registry import main as registry

    async with AsyncExitStack() as stack:
        settings = PlatformSettings(data_dir=folder)
        for name, module in (("registry", registry), ("mcp-manager", manager)):
            platform = open_platform(name, settings)
            stack.push_async_callback(platform.close)
            service = await module.build(platform)
            await service.start()
            stack.push_async_callback(service.stop, 5.0)
        runtime, gateway = open_platform("agent-runtime", settings), open_platform("gateway", settings)
        stack.push_async_callback(runtime.close)
        stack.push_async_callback(gateway.close)
        await declare(gateway, code)
        yield await caller(runtime)


async def declare(gateway: Any, code: str) -> None:
    """Applies the server and a policy that lets its tools be called."""
    channel = gateway.peer("registry")
    stub = channel.stub(resources_pb2_grpc.RegistryServiceStub)
    read = {"name": "echo", "effect": "readOnly"}
    server = {"local": {"command": [sys.executable, "-c", code]}, "isolation": "shared", "tools": [read]}
    allow = {"rules": [{"name": "all", "effect": "allow", "match": {"tools": ["echo/*"]}}]}
    act_for(Principal("admin", ("quarterdeck:platform-admins",)))
    for kind, spec in (("MCPServer", server), ("Policy", allow)):
        document = {"apiVersion": "quarterdeck.dev/v1alpha1", "kind": kind, "metadata": {"name": "echo"}}
        data = codec.dumps({**document, "spec": spec})
        request = resources_pb2.ApplyObjectRequest(tenant="default", object_json=data)
        await channel.call(stub.ApplyObject, request)
    act_for(None)


async def caller(runtime: Any) -> dict[str, Once]:
    """Waits until the server is up and returns a call of each tool."""
    channel = runtime.peer("mcp-manager")
    stub = channel.stub(tools_pb2_grpc.ToolServiceStub)
    count = iter(range(1_000_000_000))

    async def call(tool: str) -> None:
        request = tools_pb2.CallToolRequest(
            tenant="default", call_id=f"call-{next(count)}", server="echo", tool=tool,
            arguments_json=b'{"text":"hello"}', run_id="run-1",
        )  # fmt: skip
        act_for(RUN)
        outcome = await channel.call(stub.CallTool, request)
        if outcome.status != tools_pb2.ToolOutcome.STATUS_OK:
            raise RuntimeError(outcome.message)

    deadline = time.monotonic() + 20
    act_for(None)
    while not (await channel.call(stub.ListTools, tools_pb2.ListToolsRequest(tenant="default"))).tools:
        if time.monotonic() > deadline:
            raise RuntimeError("the echo server did not come up")
        await asyncio.sleep(0.05)
    return {"ours": lambda: call("echo"), "ours_write": lambda: call("note")}


@asynccontextmanager
async def hop(folder: Path) -> AsyncIterator[Once]:
    """One bare gRPC call over a unix socket in this process: the machine's baseline."""

    async def same(request: bytes, _context: Any) -> bytes:
        return request

    server = grpc.aio.server()
    method: Any = grpc.unary_unary_rpc_method_handler(same)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench.Hop", {"Echo": method}),))
    server.add_insecure_port(f"unix:{folder}/hop.sock")
    await server.start()
    async with grpc.aio.insecure_channel(f"unix:{folder}/hop.sock") as channel:
        echo: Any = channel.unary_unary("/bench.Hop/Echo")
        yield lambda: echo(b"x" * 100)
    await server.stop(0)


async def measure(calls: int, code: str) -> dict[str, float]:
    """Returns the median of each in milliseconds."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        async with peer(code) as direct, hop(path) as bare, ours(path / "data", code) as mine:
            subjects: dict[str, Once] = {"peer": direct, "grpc_hop": bare, **mine}
            times: dict[str, list[float]] = {name: [] for name in subjects}
            for turn in range(WARM_UP + calls):
                for name, once in subjects.items():
                    began = time.perf_counter()
                    await once()
                    if turn >= WARM_UP:
                        times[name].append(time.perf_counter() - began)
    return {name: statistics.median(taken) * 1000 for name, taken in times.items()}


def figures(medians: dict[str, float]) -> list[Figure]:
    """Returns what the manager adds to a call, what a durable write takes, and the machine's own hop."""
    ours, direct = medians["ours"], medians["peer"]
    added, peer = ours - direct, "mcp.ClientSession over stdio"
    target = f"added <= {TARGET_MS} ms"
    return [
        Figure(
            "tool call through the manager",
            "ms",
            ours,
            direct,
            peer,
            ours / direct,
            target,
            added <= TARGET_MS,
        ),
        Figure(
            "added by the manager",
            "ms",
            added,
            medians["grpc_hop"],
            "one bare gRPC hop",
            None,
            target,
            added <= TARGET_MS,
        ),
        Figure("call of a tool that writes", "ms", medians["ours_write"], direct, peer, None, "said", None),
    ]


def main() -> None:
    """Measures and prints one JSON object."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--calls", type=int, default=1000)
    arguments.add_argument("--server", choices=sorted(SERVERS), default="minimal")
    chosen = arguments.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        report("tools", figures(runner.run(measure(chosen.calls, SERVERS[chosen.server]))))


if __name__ == "__main__":
    main()
