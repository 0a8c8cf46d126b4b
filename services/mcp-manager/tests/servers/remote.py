"""A tool server over Streamable HTTP, made with the SDK. Arguments: json or sse, a port. Prints its port."""

from __future__ import annotations

import asyncio
import os
import socket
import sys

import uvicorn
from mcp.server.mcpserver import Context, MCPServer

server = MCPServer("remote")
KEY = os.environ.get("QD_TEST_SERVER_KEY", "k3y").encode()


@server.tool()
def echo(text: str) -> str:
    return text


@server.tool()
def big(size: int) -> str:
    return "x" * size


@server.tool()
async def slow(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "late"


@server.tool()
async def steps(ctx: Context) -> str:
    for step in range(3):
        await ctx.report_progress(step + 1, 3, f"step {step + 1}")
    return "done"


class Door:
    """Wants a key, and breaks when asked to."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            if KEY and headers.get(b"x-key") != KEY:
                return await self.answer(send, 401)
            if scope["path"] == "/broken":
                return await self.answer(send, 503)
        return await self.app(scope, receive, send)

    async def answer(self, send, status):
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"no"})


listening = socket.socket()
listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listening.bind(("127.0.0.1", int(sys.argv[2]) if len(sys.argv) > 2 else 0))
print(listening.getsockname()[1], flush=True)
app = Door(server.streamable_http_app(json_response=sys.argv[1] == "json"))
config = uvicorn.Config(app, log_level="error", lifespan="on")
asyncio.run(uvicorn.Server(config).serve([listening]))
