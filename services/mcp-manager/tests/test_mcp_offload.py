"""What is kept off the event loop, and what becomes of answers that are too large or broken."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.common import codec
from quarterdeck.common.errors import Unavailable
from quarterdeck.mcp import incarnation, offload
from quarterdeck.mcp.constants import OVERSIZED, PAYLOAD_KEY, UNREADABLE
from quarterdeck.mcp.exchange import Exchange
from quarterdeck.mcp.failures import Unusable
from quarterdeck.mcp.framing import Oversized
from quarterdeck.mcp.offload import Offload, Unreadable
from quarterdeck.mcp.schema import BadSchema

N = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
EVIL = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}}


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[Offload]:
    made = Offload(tmp_path)
    yield made
    await made.close()
    assert incarnation.sweep(tmp_path) == []


def answer(request: int, result: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": request, "result": result}).encode()


async def test_an_answer_is_read_elsewhere(worker: Offload) -> None:
    rows = {"rows": [{"n": n, "text": "ü"} for n in range(5000)]}
    payload = await worker.read_answer(answer(3, {"content": [], "structuredContent": rows}))
    assert (payload.id, payload.is_error, payload.problem) == (3, False, None)
    assert json.loads(payload.value_json) == rows
    failed = await worker.read_answer(
        answer(4, {"content": [{"type": "text", "text": "no"}], "isError": True})
    )
    assert (failed.is_error, failed.text) == (True, "no")


async def test_an_answer_is_checked_against_the_output_schema(worker: Offload) -> None:
    payload = await worker.read_answer(answer(1, {"content": [], "structuredContent": {"n": "x"}}), N)
    assert payload.problem is not None
    assert payload.problem.path == "n"


@pytest.mark.parametrize(
    "line", [b"{", b'{"jsonrpc": "2.0", "id": 1}', b'{"result": {"content": 5}}', b"[" * 99_999]
)
async def test_what_is_no_answer_is_told(worker: Offload, line: bytes) -> None:
    with pytest.raises(Unreadable):
        await worker.read_answer(line)
    assert (await worker.read_answer(answer(1, {"content": []}))).id == 1


async def test_documents_are_validated(worker: Offload) -> None:
    assert await worker.find_problem(N, b'{"n": 1}') is None
    problem = await worker.find_problem(N, b"{}")
    assert problem is not None
    assert problem.message == "'n' is a required property"
    with pytest.raises(BadSchema):
        await worker.find_problem({"type": "nonsense"}, b"{}")


async def test_a_check_without_end_is_given_up(worker: Offload, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await worker.find_problem(EVIL, b'{"a": "aa"}') is None
    monkeypatch.setattr(offload, "TIMEOUT", 0.3)
    began = time.monotonic()
    with pytest.raises(Unavailable, match=r"longer than 0\.3 s"):
        await worker.find_problem(EVIL, codec.dumps({"a": "a" * 60 + "!"}))
    assert time.monotonic() - began < 5
    monkeypatch.undo()
    assert await worker.find_problem(EVIL, b'{"a": "aa"}') is None, "the next one gets a new process"


async def test_it_ends_when_idle(worker: Offload, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offload, "IDLE", 0.05)
    await worker.find_problem(N, b"{}")
    assert worker._process is not None
    await asyncio.sleep(0.5)
    assert worker._process is None
    assert await worker.find_problem(N, b'{"n": 1}') is None


async def test_a_large_answer_gets_a_stand_in(worker: Offload) -> None:
    exchange = Exchange(1_000_000, worker)
    exchange.sent(7, "tools/call", "t")
    large = answer(7, {"content": [{"type": "text", "text": "x" * 100_000}]})
    admitted = await exchange.admit(large)
    assert admitted is not None
    meta = json.loads(admitted)["result"]["_meta"]
    assert len(admitted) < 200
    payload = exchange.take(meta)
    assert payload is not None
    assert len(payload.value_json) == 100_000 + len('{"text":""}')
    for forged in (meta, {PAYLOAD_KEY: ["forged"]}):
        with pytest.raises(Unusable, match="reserved key"):
            exchange.take(forged)
    assert exchange.take({"other": 1}) is None
    assert await exchange.admit(answer(8, {"content": ["x" * 100_000]})) is None, "nobody asked for it"


async def test_other_large_messages_pass_or_are_refused(worker: Offload) -> None:
    exchange = Exchange(10_000_000, worker)
    exchange.sent(1, "tools/list")
    listing = answer(1, {"tools": [{"name": "x" * 100_000}]})
    assert await exchange.admit(listing) == listing
    refused = await exchange.admit(answer(1, {"tools": [{"name": "x" * 2_000_000}]}))
    assert refused is not None
    assert json.loads(refused)["error"]["code"] == OVERSIZED


@pytest.mark.parametrize(
    "begin",
    ['{"jsonrpc": "2.0", "method": "notifications/message"', '{"id": 5, "method":"sampling/createMessage"'],
)
async def test_what_a_server_says_unasked_fails_no_call(worker: Offload, begin: str) -> None:
    exchange = Exchange(3_000_000, worker)
    exchange.sent(5, "tools/call", "t")
    for size, passes in ((100_000, True), (2_000_000, False)):
        line = begin.encode() + b', "params": {"data": "' + b"x" * size + b'"}}'
        assert await exchange.admit(line) == (line if passes else None)
    assert await exchange.admit(Oversized(10**9, begin.encode(), b"}")) is None


async def test_errors_go_to_the_request_they_belong_to(worker: Offload) -> None:
    exchange = Exchange(1000, worker)
    for request in (4, 5):
        exchange.sent(request, "tools/call", "t")

    def failed(line: bytes | None) -> tuple[int, int]:
        assert line is not None
        message = json.loads(line)
        return message["id"], message["error"]["code"]

    assert failed(await exchange.admit(Oversized(10**9, b'{"id":5,"result":', b"}"))) == (5, OVERSIZED)
    assert failed(await exchange.admit(Oversized(10**9, b'{"result":', b"}"))) == (4, OVERSIZED), "the oldest"
    assert await exchange.admit(Oversized(10**9, b'{"id":3,"result":', b"}")) is None, "nobody waits for it"
    assert failed(exchange.unreadable(b'{"jsonrpc":"2.0","id":5,"result":{', "cut")) == (5, UNREADABLE)
    assert exchange.unreadable(b"{ looks like a log line", "no JSON") is None
