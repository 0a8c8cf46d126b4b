"""Calls of tools in pods: what servers answer, in every form that HTTP has, and what it means."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from quarterdeck.mcp.cluster.door import accepts
from quarterdeck.mcp.exchange import Exchange
from quarterdeck.mcp.failures import Lost, NotSent, Refused, TimedOut, Unusable
from quarterdeck.mcp.http import open_pod
from quarterdeck.mcp.offload import Offload
from quarterdeck.mcp.session import Session

REMOTE = Path(__file__).parent / "servers" / "remote.py"
LIMIT = 1_000_000
PROMISED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

pytestmark = pytest.mark.filterwarnings("ignore:Overriding the .event_loop_policy.")


@pytest.fixture(params=[asyncio.DefaultEventLoopPolicy, uvloop.EventLoopPolicy], ids=["asyncio", "uvloop"])
def event_loop_policy(request: pytest.FixtureRequest) -> asyncio.AbstractEventLoopPolicy:
    made: asyncio.AbstractEventLoopPolicy = request.param()
    return made


Headers = dict[str, str]
Script = Callable[["Pod", dict[str, Any], asyncio.StreamWriter], Awaitable[None]]


class Pod:
    """A server that shakes hands and answers calls by a script, byte by byte."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.seen: list[tuple[str, Headers, dict[str, Any]]] = []
        self.callers: set[Any] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                method, headers = line.decode().split()[0], await self._headers(reader)
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                await self._answer(method, headers, json.loads(body) if body else {}, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _headers(self, reader: asyncio.StreamReader) -> Headers:
        found: Headers = {}
        while (line := (await reader.readline()).decode().strip()) != "":
            name, _, value = line.partition(":")
            found[name.lower()] = value.strip()
        return found

    async def _answer(
        self, method: str, headers: Headers, message: dict[str, Any], writer: asyncio.StreamWriter
    ) -> None:
        self.seen.append((method, headers, message))
        asked = message.get("method", "")
        if method == "GET" and "last-event-id" not in headers:
            writer.write(b"HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n")
        elif asked == "initialize":
            version = message["params"]["protocolVersion"]
            about = {
                "protocolVersion": version,
                "capabilities": {},
                "serverInfo": {"name": "s", "version": "1"},
            }
            writer.write(reply(message, about, "Mcp-Session-Id: s-1\r\n"))
        elif asked == "tools/call" or method == "GET":
            self.callers.add(writer.get_extra_info("peername"))
            await self.script(self, message, writer)
        else:
            writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")

    def calls(self) -> list[Headers]:
        return [headers for _, headers, message in self.seen if message.get("method") == "tools/call"]

    def notices(self, method: str) -> list[dict[str, Any]]:
        return [message for _, _, message in self.seen if message.get("method") == method]


def reply(message: dict[str, Any], result: dict[str, Any], more: str = "") -> bytes:
    body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n{more}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def text(said: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": said}]}


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def event(document: dict[str, Any], more: str = "") -> bytes:
    return f"{more}event: message\ndata: {json.dumps(document)}\n\n".encode()


def answer(message: dict[str, Any], said: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": message["id"], "result": text(said)}


class Ground:
    def __init__(self, folder: Path) -> None:
        self._offload = Offload(folder)
        self._open: list[Any] = []

    async def session(self, script: Script) -> tuple[Session, Pod]:
        pod = Pod(script)
        server = await asyncio.start_server(pod.serve, "127.0.0.1", 0)
        self._open.append(server)
        return await self.to(server.sockets[0].getsockname()[1]), pod

    async def to(self, port: int) -> Session:
        exchange = Exchange(LIMIT, self._offload)
        session = Session(lambda asked: open_pod(f"http://127.0.0.1:{port}/mcp", asked), exchange)
        await session.start()
        self._open.append(session)
        return session

    async def close(self) -> None:
        for one in reversed(self._open):
            if isinstance(one, Session):
                await one.close()
            else:
                one.close()
        await self._offload.close()


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Ground]:
    made = Ground(tmp_path)
    yield made
    await made.close()


async def echo(_pod: Pod, message: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    writer.write(reply(message, text(message["params"]["arguments"]["text"])))


async def test_calls_share_a_kept_connection_and_name_their_session(ground: Ground) -> None:
    session, pod = await ground.session(echo)
    for number in range(5):
        assert (await session.call("echo", {"text": str(number)}, 5)).value == {"text": str(number)}
    assert len(pod.callers) == 1
    assert {headers["mcp-session-id"] for headers in pod.calls()} == {"s-1"}
    assert all(
        headers["mcp-protocol-version"] and headers["accept-encoding"] == "identity"
        for headers in pod.calls()
    )


async def test_calls_at_once_get_each_its_own_answer(ground: Ground) -> None:
    session, _ = await ground.session(echo)
    many = await asyncio.gather(*(session.call("echo", {"text": str(n)}, 5) for n in range(30)))
    assert [one.value["text"] for one in many] == [str(n) for n in range(30)]


async def test_a_connection_that_the_server_has_closed_is_not_used_again(ground: Ground) -> None:
    async def once(pod: Pod, message: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        await echo(pod, message, writer)
        await writer.drain()
        writer.close()

    session, _ = await ground.session(once)
    for _ in range(3):
        assert (await session.call("echo", {"text": "x"}, 5)).value == {"text": "x"}
        await asyncio.sleep(0.05)


async def test_a_stream_brings_notices_before_the_answer(ground: Ground) -> None:
    async def steps(pod: Pod, message: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        token = message["params"]["_meta"]["progressToken"]
        told = {"progressToken": token, "progress": 1, "total": 2, "message": "half"}
        whole = event({"jsonrpc": "2.0", "method": "notifications/progress", "params": told})
        asked = event({"jsonrpc": "2.0", "id": 77, "method": "ping"})
        last = event(answer(message, "done")).replace(b"\n", b"\r\n")
        writer.write(PROMISED)
        for byte in whole + b": nothing\n\n" + asked + last:
            writer.write(chunk(bytes([byte])))
        writer.write(b"0\r\n\r\n")

    notices: list[Any] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        notices.append((progress, total, message))

    session, pod = await ground.session(steps)
    assert (await session.call("steps", {}, 5, note)).value == {"text": "done"}
    assert notices == [(1.0, 2.0, "half")]
    async with asyncio.timeout(5):
        while not any(message.get("id") == 77 for _, _, message in pod.seen):  # noqa: ASYNC110 - by the wire
            await asyncio.sleep(0.01)


async def test_a_stream_that_breaks_off_is_asked_for_again_from_its_last_event(ground: Ground) -> None:
    asked: list[dict[str, Any]] = []

    async def breaking(pod: Pod, message: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        writer.write(PROMISED)
        if message:
            asked.append(message)
            writer.write(chunk(b"id: e-1\nretry: 10\ndata:\n\n"))
            await writer.drain()
            writer.close()
            return
        writer.write(chunk(event(answer(asked[0], "late"), "id: e-2\n")) + b"0\r\n\r\n")

    session, pod = await ground.session(breaking)
    assert (await session.call("slow", {}, 5)).value == {"text": "late"}
    assert [headers["last-event-id"] for method, headers, _ in pod.seen if "last-event-id" in headers] == [
        "e-1"
    ]


async def test_what_is_lost_and_what_was_not_sent_are_told_apart(ground: Ground) -> None:
    async def dying(pod: Pod, message: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{")
        await writer.drain()
        writer.close()

    session, pod = await ground.session(dying)
    with pytest.raises(Lost, match="broke off"):
        await session.call("x", {}, 5)
    assert len(pod.calls()) == 1, "it was sent, and is not sent again"
    await ground.close()
    ground._open.clear()
    server = await asyncio.start_server(pod.serve, "127.0.0.1", 0)
    session = await ground.to(server.sockets[0].getsockname()[1])
    server.close()
    with pytest.raises(NotSent, match="cannot reach"):
        await session.call("x", {}, 5)


@pytest.mark.parametrize(
    ("head", "body", "failure", "words"),
    [
        ("503 No", b"full", Lost, "answered 503"),
        ("404 No", b"", NotSent, "answered 404"),
        (
            "404 No",
            b'{"error": {"code": -32952, "message": "the session is over"}}',
            NotSent,
            "session is over",
        ),
        ("400 No", b'{"error": {"code": -32602, "message": "bad"}}', Refused, "bad"),
        ("200 OK\r\nContent-Type: text/html", b"<p>", Refused, "answered a call with text/html"),
        ("200 OK\r\nContent-Type: application/json", b"{", Unusable, "not valid JSON"),
        ("200 OK\r\nContent-Type: application/json", b'{"id": 1}', Unusable, "neither a result nor"),
        ("200 OK\r\nContent-Type: application/json", b"", Lost, "without a message"),
        ("202 Accepted", b"", Refused, "status 202"),
    ],
)
async def test_what_is_no_answer_is_told(
    ground: Ground, head: str, body: bytes, failure: type[Exception], words: str
) -> None:
    async def odd(pod: Pod, message: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

    session, _ = await ground.session(odd)
    with pytest.raises(failure, match=words):
        await session.call("x", {}, 5)


async def test_a_server_that_speaks_something_else_is_told(ground: Ground) -> None:
    async def noise(pod: Pod, message: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-Server\r\n")

    session, _ = await ground.session(noise)
    with pytest.raises(Lost, match="does not speak HTTP"):
        await session.call("x", {}, 5)


async def test_answers_are_bounded_and_may_end_with_the_connection(ground: Ground) -> None:
    async def big(pod: Pod, message: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        size = message["params"]["arguments"]["size"]
        body = json.dumps(answer(message, "x" * size)).encode()
        writer.write(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + body
        )
        await writer.drain()
        writer.close()

    session, _ = await ground.session(big)
    assert (await session.call("x", {"size": 10}, 5)).value == {"text": "x" * 10}
    large = await session.call("x", {"size": 600_000}, 20)
    assert json.loads(large.value_json) == {"text": "x" * 600_000}
    with pytest.raises(Unusable, match="at most 1,000,000 are taken"):
        await session.call("x", {"size": 3_000_000}, 20)


async def test_a_call_that_nobody_waits_for_is_called_off(ground: Ground) -> None:
    async def never(pod: Pod, message: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    session, pod = await ground.session(never)
    with pytest.raises(TimedOut):
        await session.call("x", {}, 0.2)
    async with asyncio.timeout(5):
        while not pod.notices("notifications/cancelled"):  # noqa: ASYNC110 - by the wire
            await asyncio.sleep(0.01)
    (notice,) = pod.notices("notifications/cancelled")
    assert notice["params"]["requestId"] == pod.notices("tools/call")[0]["id"]


async def test_a_server_that_sends_elsewhere_is_followed_by_the_sdks_rules(ground: Ground) -> None:
    async def elsewhere(pod: Pod, message: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        if len(pod.calls()) == 1:
            writer.write(b"HTTP/1.1 307 There\r\nLocation: /mcp\r\nContent-Length: 0\r\n\r\n")
        else:
            await echo(pod, message, writer)

    session, _ = await ground.session(elsewhere)
    for _ in range(2):
        assert (await session.call("echo", {"text": "there"}, 5)).value == {"text": "there"}


@pytest.mark.parametrize("mode", ["json", "sse"])
async def test_calls_of_a_server_made_with_the_sdk(
    ground: Ground, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QD_TEST_SERVER_KEY", "")
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(REMOTE), mode, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    steps: list[float] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        steps.append(progress)

    try:
        port = int(await process.stdout.readline())
        async with asyncio.timeout(30):
            while not await accepts("127.0.0.1", port):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.02)
        session = await ground.to(port)
        assert (await session.call("echo", {"text": "hi"}, 10)).value == {"result": "hi"}
        assert (await session.call("steps", {}, 10, note)).value == {"result": "done"}
        assert steps == ([1.0, 2.0, 3.0] if mode == "sse" else [])
        many = await asyncio.gather(*(session.call("big", {"size": 50_000 + n}, 20) for n in range(4)))
        assert [len(json.loads(one.value_json)["result"]) for one in many] == [50_000 + n for n in range(4)]
        await session.close()
    finally:
        process.kill()
        await process.wait()
