"""Servers over Streamable HTTP."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp_support import Status, World, eventually, manifest, value

SERVER = Path(__file__).parent / "servers" / "remote.py"
READ_ONLY = [{"name": name, "effect": "readOnly"} for name in ("echo", "big", "slow", "steps")]


class Remote:
    """A server process and its address."""

    def __init__(self, mode: str) -> None:
        self.mode = mode
        self.port = 0

    async def start(self) -> None:
        arguments = (sys.executable, str(SERVER), self.mode, str(self.port))
        self.process = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)
        assert self.process.stdout is not None
        self.port = int(await self.process.stdout.readline())

    async def stop(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    def manifest(self, path: str = "/mcp", **spec: Any) -> dict[str, Any]:
        key = [{"name": "X-Key", "secretRef": {"env": "QD_TEST_REMOTE_KEY"}}]
        remote = {"url": f"http://127.0.0.1:{self.port}{path}", "secretHeaders": key}
        restart = {"initialDelay": "50ms", "maxDelay": "200ms", "crashLoopAfter": 100}
        common = {"remote": remote, "tools": READ_ONLY, "restart": restart, "isolation": "shared"}
        return manifest("MCPServer", "far", {**common, **spec})


@pytest.fixture(params=["json", "sse"])
async def remote(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Remote]:
    monkeypatch.setenv("QD_TEST_REMOTE_KEY", "k3y")
    made = Remote(request.param)
    await made.start()
    yield made
    await made.stop()


async def test_calls_over_http(world: World, remote: Remote) -> None:
    await world.apply(remote.manifest())
    await world.until_ready("far")
    assert value(await world.call("echo", {"text": "over there"}, server="far")) == {"result": "over there"}
    many = await asyncio.gather(*(world.call("echo", {"text": str(n)}, server="far") for n in range(20)))
    assert [value(outcome)["result"] for outcome in many] == [str(n) for n in range(20)]


async def test_large_answers_are_bounded(world: World, remote: Remote) -> None:
    await world.apply(remote.manifest(limits={"messageBytes": 1_000_000}))
    await world.until_ready("far")
    large = await world.call("big", {"size": 200_000}, server="far")
    assert json.loads(large.result_json) == {"result": "x" * 200_000}
    larger = await world.call("big", {"size": 5_000_000}, server="far")
    assert larger.status == Status.STATUS_TOOL_ERROR
    assert "at most 1,000,000 are taken" in larger.message
    assert value(await world.call("echo", {"text": "next"}, server="far")) == {"result": "next"}


async def test_a_slow_answer_times_out(world: World, remote: Remote) -> None:
    await world.apply(remote.manifest())
    await world.until_ready("far")
    outcome = await world.call("slow", {"seconds": 20}, server="far", timeout_seconds=0.3)
    assert outcome.status == Status.STATUS_TIMEOUT
    assert value(await world.call("echo", {"text": "next"}, server="far")) == {"result": "next"}


async def test_a_server_that_goes_away_and_comes_back(world: World, remote: Remote) -> None:
    await world.apply(remote.manifest())
    await world.until_ready("far")
    await remote.stop()
    outcome = await world.call("echo", {"text": "x"}, server="far")
    assert outcome.status == Status.STATUS_UNAVAILABLE
    assert "cannot reach http://127.0.0.1" in outcome.message
    await remote.start()

    async def back() -> bool:
        return bool((await world.call("echo", {"text": "x"}, server="far")).status == Status.STATUS_OK)

    await eventually(back)


async def test_a_server_that_breaks_off_during_a_write_is_uncertain(world: World, remote: Remote) -> None:
    allow = {"rules": [{"name": "r", "effect": "allow"}]}
    await world.apply(remote.manifest(tools=[]), manifest("Policy", "p", allow))
    await world.until_ready("far")
    calling = asyncio.create_task(world.call("slow", {"seconds": 20}, server="far"))
    await asyncio.sleep(0.5)
    await remote.stop()
    outcome = await calling
    assert outcome.status == Status.STATUS_UNCERTAIN
    assert not outcome.server_dead, "nobody knows what a server elsewhere is doing"


async def test_a_wrong_key_is_told(world: World, remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QD_TEST_REMOTE_KEY", "wrong")
    await world.apply(remote.manifest())

    async def refused() -> bool:
        return "answered 401 Unauthorized" in str(await world.condition("Ready", "far"))

    await eventually(refused)


async def test_an_address_that_is_wrong_is_told(world: World, remote: Remote) -> None:
    await world.apply(remote.manifest("/broken"))

    async def refused() -> bool:
        return "answered 503 Service Unavailable" in str(await world.condition("Ready", "far"))

    await eventually(refused)
