"""A tool server over stdio: `post` writes to the outside ledger, `look` reads nothing.

Standard library only: it starts at once.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import urllib.request
from typing import Any

TEXT = {"type": "string"}
TOOLS = [
    {
        "name": "post",
        "description": "Posts an entry to the ledger. Not idempotent.",
        "inputSchema": {
            "type": "object",
            "properties": {"entry": TEXT, "pause": {"type": "number"}},
            "required": ["entry"],
        },
    },
    {
        "name": "look",
        "description": "Returns the text.",
        "inputSchema": {"type": "object", "properties": {"text": TEXT}, "required": ["text"]},
    },
]
LEDGER = os.environ["OUTSIDE_LEDGER_URL"]
OUT = threading.Lock()


def initialize(params: dict[str, Any]) -> dict[str, Any]:
    """Returns the server's side of the handshake."""
    return {
        "protocolVersion": params["protocolVersion"],
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "poster", "version": "1"},
    }


def call(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Carries out a tool call."""
    if name == "look":
        return {"content": [{"type": "text", "text": arguments["text"]}]}
    request = urllib.request.Request(LEDGER + "/post", json.dumps(arguments).encode())
    with urllib.request.urlopen(request, timeout=60) as response:
        return {"content": [{"type": "text", "text": response.read().decode()}]}


def serve(request: dict[str, Any]) -> None:
    """Answers one request."""
    method, params = request["method"], request.get("params") or {}
    if method == "initialize":
        result = initialize(params)
    elif method == "tools/list":
        result = {"tools": TOOLS}
    elif method == "tools/call":
        result = call(params["name"], params["arguments"])
    else:
        result = {}
    with OUT:
        print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}), flush=True)


if __name__ == "__main__":
    for line in sys.stdin:
        message = json.loads(line)
        if "id" in message:
            threading.Thread(target=serve, args=(message,), daemon=True).start()
