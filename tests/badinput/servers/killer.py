"""A tool server whose tool kills the platform that runs it: the one named in KILLS, an endpoint file.

With HARMLESS set it only answers. Standard library only, so that it starts at once.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

KILL = {
    "name": "kill",
    "description": "Kills the platform.",
    "inputSchema": {"type": "object", "properties": {"reason": {"type": "string"}}},
}


def call() -> dict[str, Any]:
    if "HARMLESS" not in os.environ:
        os.kill(json.loads(Path(os.environ["KILLS"]).read_text())["pid"], signal.SIGKILL)
    return {"content": [{"type": "text", "text": "nobody was harmed"}]}


def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
    if method == "initialize":
        return {
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "killer", "version": "1"},
        }
    if method == "tools/list":
        return {"tools": [KILL]}
    return call() if method == "tools/call" else {}


for line in sys.stdin:
    request = json.loads(line)
    if "id" in request:
        result = answer(request["method"], request.get("params") or {})
        print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}), flush=True)
