"""A kept connection to an HTTP server: the same for the gateway's door and for a pod itself."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any

HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
_PATIENCE = 90.0


class Talk:
    """Posts JSON to one path and reads whole answers."""

    def __init__(self, host: str, port: int, path: str, headers: dict[str, str] | None = None) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=_PATIENCE)
        self._path = path
        self.headers = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            **(headers or {}),
        }

    def connect(self) -> None:
        """Connects now. Raises OSError."""
        self._connection.connect()
        self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def post(self, body: dict[str, Any]) -> tuple[http.client.HTTPResponse, bytes]:
        """Returns the answer and its body. Raises OSError."""
        self._connection.request("POST", self._path, json.dumps(body), self.headers)
        answer = self._connection.getresponse()
        return answer, answer.read()

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()


def request(method: str, params: dict[str, Any]) -> dict[str, Any]:
    """Returns a JSON-RPC request."""
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


CALL = request("tools/call", {"name": "echo", "arguments": {"text": "hello"}})


def begin(talk: Talk) -> None:
    """Shakes hands with an MCP server, and speaks in that session from then on."""
    answer, body = talk.post(request("initialize", HELLO))
    assert b"protocolVersion" in body, body
    if session := answer.headers.get("Mcp-Session-Id"):
        talk.headers["Mcp-Session-Id"] = session
    talk.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
