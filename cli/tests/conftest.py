"""A small HTTP server that answers like a gateway, and a home directory of a test's own."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

TOKEN = "qd_test"


@dataclass
class Request:
    """What a client sent."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class Answer:
    """What the server sends: JSON, or lines of an event stream; `cut` ends the connection without an end."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    events: list[str] | None = None
    cut: bool = False
    raw: bytes | None = None


Route = Callable[[Request], Answer]


class Gateway:
    """Routes by "METHOD path"; every request is kept."""

    def __init__(self) -> None:
        self.routes: dict[str, Route] = {}
        self.requests: list[Request] = []
        self.url = ""

    def on(self, key: str, answer: Answer | Route | Any) -> None:
        """Answers `key` with a value, an Answer, or what a function returns."""
        if callable(answer):
            self.routes[key] = answer
        else:
            fixed = answer if isinstance(answer, Answer) else Answer(answer)
            self.routes[key] = lambda _request: fixed

    def answer(self, request: Request) -> Answer:
        """Finds the answer to a request."""
        self.requests.append(request)
        is_open = request.path.endswith("/auth/providers")
        if not is_open and request.headers.get("authorization") != f"Bearer {TOKEN}":
            return Answer({"detail": "no token", "reason": "Unauthenticated"}, 401)
        route = self.routes.get(f"{request.method} {request.path.removeprefix('/api/v1')}")
        if route is None:
            return Answer({"detail": f"no {request.path}", "reason": "NotFound"}, 404)
        return route(request)

    def sent(self, method: str) -> list[Request]:
        """Returns the requests of one method."""
        return [request for request in self.requests if request.method == method]


def _read(body: bytes, headers: dict[str, str]) -> Any:
    if headers.get("content-type") == "application/octet-stream":
        return body
    return json.loads(body) if body else None


def _handler(gateway: Gateway) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("content-length") or 0)
            body = self.rfile.read(length)
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, parts.path, query, headers, _read(body, headers))
            self._send(gateway.answer(request))

        def _send(self, answer: Answer) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.events is not None:
                self._stream(answer)
                return
            content = answer.raw if answer.raw is not None else json.dumps(answer.body).encode()
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _stream(self, answer: Answer) -> None:
            self.send_header("content-type", "text/event-stream")
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for text in answer.events or ():
                data = text.encode()
                self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            if answer.cut:
                self.close_connection = True
                return
            self.wfile.write(b"0\r\n\r\n")

        do_GET = do_POST = do_PUT = do_DELETE = _serve

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing."""

    return Handler


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Gateway]:
    """A gateway that `qd` finds by its environment."""
    found = Gateway()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(found))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("QD_SERVER", found.url)
    monkeypatch.setenv("QD_TOKEN", TOKEN)
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No configuration, no data directory and no variables but the test's."""
    for name in ("QD_SERVER", "QD_TOKEN", "QD_TENANT", "QD_CONTEXT", "QD_DATA_DIR", "QD_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("QD_CONFIG", str(tmp_path / "config.yaml"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


def event(seq: int, kind: str, /, **data: Any) -> str:
    """Returns a run's event as SSE."""
    body = {"runId": "r1", "seq": seq, "type": kind, "at": "2026-01-02T03:04:05Z", "data": data}
    head = f"id: {seq}\n" if seq else ""
    return f"{head}event: {kind}\ndata: {json.dumps(body)}\n\n"


@pytest.fixture
def make_event() -> Callable[..., str]:
    """Returns `event`."""
    return event


@pytest.fixture
def make_answer() -> type[Answer]:
    """Returns `Answer`."""
    return Answer
