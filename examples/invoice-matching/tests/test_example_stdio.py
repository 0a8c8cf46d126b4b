"""Both servers as real processes, driven by the SDK's own client."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client

INVOICE = {
    "file": "a.pdf",
    "vendor_name": "Visserie Lormont SAS",
    "number": "77/2025",
    "date": "2025-01-02",
    "total": 121.0,
    "currency": "EUR",
}


@asynccontextmanager
async def server(example: Path, name: str, **env: str) -> AsyncIterator[ClientSession]:
    parameters = StdioServerParameters(
        command=sys.executable, args=[str(example / "servers" / f"{name}.py")], env={**os.environ, **env}
    )
    async with stdio_client(parameters) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        yield session


async def call(session: ClientSession, name: str, **arguments: Any) -> Any:
    result = await session.call_tool(name, arguments)
    assert not result.is_error, result.content
    assert json.loads(result.content[0].text) == result.structured_content  # type: ignore[union-attr]
    return result.structured_content


async def test_the_ledger_serves_its_tools(example: Path, tmp_path: Path) -> None:
    async with server(example, "ledger", LEDGER_PATH=str(tmp_path / "l.db")) as session:
        tools = {tool.name: tool for tool in (await session.list_tools()).tools}
        assert set(tools) == {
            "import_statement",
            "save_invoice",
            "list_unmatched",
            "get_transaction",
            "find_invoices",
            "book",
            "unbook",
            "list_bookings",
            "mark_review",
            "summary",
        }
        assert all(tool.description and tool.input_schema["type"] == "object" for tool in tools.values())
        assert {
            name for name, tool in tools.items() if tool.annotations and tool.annotations.read_only_hint
        } == {
            "list_unmatched",
            "get_transaction",
            "find_invoices",
            "list_bookings",
            "summary",
        }
        assert (await call(session, "import_statement", path="2025-01/statement.xml"))["imported"] > 200
        assert (await call(session, "save_invoice", **INVOICE))["invoice_id"] == 1
        booked = await call(session, "book", transaction=1, invoices=[1], amount=121.0)
        listed = await call(session, "list_bookings", transaction=1)
        assert listed["bookings"] == [{**booked, "note": ""}]


async def test_a_refusal_is_a_tool_error_and_the_server_goes_on(example: Path, tmp_path: Path) -> None:
    async with server(example, "ledger", LEDGER_PATH=str(tmp_path / "l.db")) as session:
        result = await session.call_tool("book", {"transaction": 1, "invoices": [1], "amount": 1})
        assert result.is_error
        assert "no transaction 1" in result.content[0].text  # type: ignore[union-attr]
        assert (await call(session, "summary"))["transactions"] == 0


async def test_the_documents_are_served(example: Path) -> None:
    async with server(example, "documents") as session:
        assert {tool.name for tool in (await session.list_tools()).tools} == {
            "list_invoices",
            "read_text",
            "score_candidates",
        }
        files = (await call(session, "list_invoices", folder="2025-01/invoices"))["files"]
        assert len(files) > 170
        assert (await call(session, "read_text", path=files[3]))["text"]
        broken = await session.call_tool("read_text", {"path": "2025-01/statement.xml"})
        assert broken.is_error


def _requests() -> bytes:
    """What a client sends: initialize, then save, import and book, without waiting for the answers."""
    calls: list[tuple[str, dict[str, Any]]] = [
        ("save_invoice", dict(INVOICE)),
        ("import_statement", {"path": "2025-01/statement.xml"}),
        ("book", {"transaction": 1, "invoices": [1], "amount": 121.0}),
    ]
    start = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    messages: list[dict[str, Any]] = [
        {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": start},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
    ]
    messages += [
        {
            "jsonrpc": "2.0",
            "id": number,
            "method": "tools/call",
            "params": {"name": name, "arguments": arguments},
        }
        for number, (name, arguments) in enumerate(calls, 1)
    ]
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


@pytest.mark.timeout(60)
def test_killed_after_the_commit_the_booking_stands_and_nobody_was_told(
    example: Path, tmp_path: Path
) -> None:
    marker, path = tmp_path / "marker", tmp_path / "l.db"
    env = {
        **os.environ,
        "LEDGER_PATH": str(path),
        "LEDGER_PAUSE_AFTER_COMMIT_SECONDS": "60",
        "LEDGER_COMMIT_MARKER": str(marker),
    }
    process = subprocess.Popen(
        [sys.executable, str(example / "servers" / "ledger.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=env,
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(_requests())
        process.stdin.flush()
        # The three that come before the booking are answered, sooner or later.
        answered = [json.loads(process.stdout.readline())["id"] for _ in range(3)]
        while not marker.exists() or not marker.read_text():
            assert process.poll() is None
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        told, _ = process.communicate()
    assert json.loads(marker.read_text())["transaction"] == 1
    assert sorted(answered) == [0, 1, 2]
    assert told == b""
    with sqlite3.connect(path) as connection:
        assert connection.execute("select transaction_id, amount from bookings").fetchall() == [(1, 12100)]
    connection.close()
