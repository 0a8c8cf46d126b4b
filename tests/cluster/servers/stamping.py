"""A tool server over Streamable HTTP whose one writing tool takes its time and must never be called twice.

It runs in a pod, on the image of a service that has the SDK. What it has been asked stays in its memory.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings

server = MCPServer("stamping")
begun: Counter[str] = Counter()
done: Counter[str] = Counter()
began_at: dict[str, float] = {}


@server.tool()
async def stamp(key: str, seconds: float) -> dict[str, str]:
    """Stamps a key; twice is once too often."""
    begun[key] += 1
    began_at.setdefault(key, time.time())
    await asyncio.sleep(seconds)
    done[key] += 1
    return {"key": key}


@server.tool()
def stamps() -> dict[str, dict[str, float]]:
    """Says how often each key was begun and done, and when it was begun first."""
    return {"begun": dict(begun), "done": dict(done), "at": began_at}


app = server.streamable_http_app(
    stateless_http=True, transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False)
)
uvicorn.run(app, host="0.0.0.0", port=8000, log_level="warning")
