"""Whether a pod that begins to run speaks the protocol, asked of real servers and a real bridge."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from bridge_support import bridge
from mcp_support import NASTY

from quarterdeck.mcp.cluster import proof
from quarterdeck.mcp.cluster.proof import proves
from quarterdeck.mcp.definition import Pods

# Keeps sessions, counts those that are open, and is not ready at first.
SERVER = """
import json, sys, uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
open_sessions, tries = set(), []
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def answer(self, status, document=None, session=""):
        body = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if session: self.send_header("Mcp-Session-Id", session)
        self.end_headers()
        self.wfile.write(body)
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        session, method = self.headers.get("Mcp-Session-Id", ""), request["method"]
        if "id" not in request: return self.answer(202)
        result = {}
        if method == "initialize":
            tries.append(1)
            if len(tries) == 1: return self.answer(503)
            session = uuid.uuid4().hex
            open_sessions.add(session)
            result = {"protocolVersion": request["params"]["protocolVersion"], "capabilities": {},
                      "serverInfo": {"name": "s", "version": "1"}}
        elif session not in open_sessions: return self.answer(404)
        self.answer(200, {"jsonrpc": "2.0", "id": request["id"], "result": result}, session)
    def do_DELETE(self):
        open_sessions.discard(self.headers.get("Mcp-Session-Id"))
        self.answer(204)
    def do_GET(self):
        self.answer(200, len(open_sessions)) if self.path == "/open" else self.answer(405)
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


@pytest.fixture
async def port() -> AsyncIterator[int]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVER, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    yield int(await process.stdout.readline())
    process.kill()
    await process.wait()


async def left_open(port: int) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /open HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return int(answer.rpartition(b"\r\n\r\n")[2])


async def test_an_http_server_proves_itself_by_a_handshake_that_leaves_no_session(port: int) -> None:
    pods = Pods("far", port, "/mcp", 0.0, "")
    assert not await proves("127.0.0.1", pods), "it takes connections, and is not ready"
    assert await proves("127.0.0.1", pods)
    assert await left_open(port) == 0


async def test_a_bridge_proves_itself_by_its_readiness_and_starts_no_further_process() -> None:
    async with bridge(sys.executable, str(NASTY)) as served:
        address = urlsplit(served.url)
        pods = Pods("far", address.port or 0, "/mcp", 0.0, "", bridged=True)
        async with asyncio.timeout(30):
            while not await proves("127.0.0.1", pods):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.02)
        assert len(await served.processes()) == 1
    assert not await proves("127.0.0.1", pods), "nobody is there any more"


async def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "PATIENCE", 0.3)
    silent = await asyncio.start_server(lambda reader, writer: asyncio.sleep(60), "127.0.0.1", 0)
    async with silent:
        port = silent.sockets[0].getsockname()[1]
        async with asyncio.timeout(10):
            assert not await proves("127.0.0.1", Pods("far", port, "/mcp", 0.0, ""))
            assert not await proves("127.0.0.1", Pods("far", port, "/mcp", 0.0, "", bridged=True))
