"""The echo server of bench/tools.py, and the same over Streamable HTTP: the smallest there are."""

from __future__ import annotations

from tools import ECHO as STDIO

# `result` of the other, behind the standard library's server.
HTTP = (
    STDIO[: STDIO.index("for line in sys.stdin")]
    + """
import os, signal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # the first process of a container dies of nothing else
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    def log_message(self, *_):
        pass
    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "id" not in request:
            return self.answer(202)
        said = {"error": {"code": -32601, "message": "Method not found"}}
        if request["method"] in ("initialize", "ping", "tools/list", "tools/call"):
            said = {"result": result(request["method"], request.get("params"))}
        self.answer(200, json.dumps({"jsonrpc": "2.0", "id": request["id"], **said}).encode())
    def do_GET(self):
        self.answer(405)
    def do_DELETE(self):
        self.answer(204)
ThreadingHTTPServer(("", 8080), Handler).serve_forever()
"""
)
