"""A tool server that does what it is asked: somebody else's. Standard library only: it starts at once."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

TEXT = {"type": "string"}
TOOLS = [
    {
        "name": "echo",
        "description": "Returns the text.",
        "inputSchema": {"type": "object", "properties": {"text": TEXT}, "required": ["text"]},
    },
    {
        "name": "note",
        "description": "Touches <file>.begun, waits, then appends the text to the file.",
        "inputSchema": {
            "type": "object",
            "properties": {"text": TEXT, "file": TEXT, "seconds": {"type": "number"}},
            "required": ["text", "file", "seconds"],
        },
    },
]
OUT = threading.Lock()


def initialize(params: dict[str, Any]) -> dict[str, Any]:
    return {
        "protocolVersion": params["protocolVersion"],
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "friendly", "version": "1"},
    }


def call(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    if name == "note":
        Path(arguments["file"] + ".begun").touch()
        time.sleep(arguments["seconds"])
        with Path(arguments["file"]).open("a") as file:
            file.write(arguments["text"] + "\n")
    return {"content": [{"type": "text", "text": arguments["text"]}]}


def serve(request: dict[str, Any]) -> None:
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


for line in sys.stdin:
    received = json.loads(line)
    if "id" in received:
        threading.Thread(target=serve, args=(received,), daemon=True).start()
