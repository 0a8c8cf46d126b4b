"""The judge: a ledger outside the platform, with a store of its own and no idempotency.

What is posted twice is there twice. Standard library only.

    python outside_ledger.py DATABASE      prints its port, serves until it is killed

POST /post {"entry": text, "pause": seconds} adds a row, waits, answers. GET /entries lists all rows.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Store:
    """Rows in the order of their arrival; durable before the answer."""

    def __init__(self, path: str) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("CREATE TABLE IF NOT EXISTS entries (entry TEXT, at REAL)")

    def add(self, entry: str) -> None:
        """Adds a row."""
        with self._lock:
            self._connection.execute("INSERT INTO entries VALUES (?, ?)", (entry, time.time()))

    def all(self) -> list[list[Any]]:
        """Returns every row as [entry, Unix time]."""
        with self._lock:
            return [list(row) for row in self._connection.execute("SELECT entry, at FROM entries")]


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    store: Store

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.store.add(body["entry"])
        time.sleep(body.get("pause", 0))
        self._answer({"posted": body["entry"]})

    def do_GET(self) -> None:
        self._answer(self.store.all())

    def _answer(self, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        with contextlib.suppress(ConnectionError):  # whoever asked was killed
            self.end_headers()
            self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


class Server(ThreadingHTTPServer):
    """Takes many connections at once: one that the kernel drops would look like a tool that never answers."""

    request_queue_size = 512
    daemon_threads = True


def main(path: str) -> None:
    """Serves."""
    Handler.store = Store(path)
    server = Server(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
