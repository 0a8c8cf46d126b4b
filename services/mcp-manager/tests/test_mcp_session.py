from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvloop

from quarterdeck.mcp import incarnation
from quarterdeck.mcp.connection import open_local
from quarterdeck.mcp.environment import server_environment
from quarterdeck.mcp.exchange import Exchange
from quarterdeck.mcp.failures import Lost, NotSent, Refused, TimedOut, Unusable
from quarterdeck.mcp.noise import LineLog
from quarterdeck.mcp.offload import Offload
from quarterdeck.mcp.process import Command
from quarterdeck.mcp.session import Session

NASTY = Path(__file__).parent / "servers" / "nasty.py"
LIMIT = 16 * 1024 * 1024


pytestmark = pytest.mark.filterwarnings("ignore:Overriding the .event_loop_policy.")


@pytest.fixture(params=[asyncio.DefaultEventLoopPolicy, uvloop.EventLoopPolicy], ids=["asyncio", "uvloop"])
def event_loop_policy(request: pytest.FixtureRequest) -> asyncio.AbstractEventLoopPolicy:
    """Pipes and child processes differ between loops, so everything here runs on both."""
    made: asyncio.AbstractEventLoopPolicy = request.param()
    return made


class Fixture:
    def __init__(self, tmp_path: Path) -> None:
        self.path = tmp_path
        self.offload = Offload(tmp_path)
        self.lines: list[str] = []
        self.sessions: list[Session] = []

    async def open(self, *arguments: str, limit: int = LIMIT, **environment: str) -> Session:
        session = self.make(*arguments, limit=limit, **environment)
        await session.start()
        return session

    def make(self, *arguments: str, limit: int = LIMIT, **environment: str) -> Session:
        declared = {"NASTY_FILE": str(self.path / "written"), **environment}
        seen = server_environment(os.environ, declared)
        command = Command(arguments or (sys.executable, str(NASTY)), seen, None, self.path)
        errors, stray = LineLog(self.lines.append, ["s3cret"]), LineLog(self.lines.append)
        exchange = Exchange(limit, self.offload)
        session = Session(lambda asked: open_local(command, asked, errors, stray), exchange)
        self.sessions.append(session)
        return session


@pytest.fixture
async def fixture(tmp_path: Path) -> AsyncIterator[Fixture]:
    made = Fixture(tmp_path)
    yield made
    await asyncio.gather(*(session.close() for session in made.sessions))
    await made.offload.close()
    assert incarnation.sweep(tmp_path) == []


async def echo(session: Session, text: str = "hi", timeout: float = 10) -> bytes:
    return (await session.call("echo", {"text": text}, timeout)).value_json


async def test_a_call_is_answered_and_its_value_told(fixture: Fixture) -> None:
    session = await fixture.open()
    assert await echo(session) == b'{"text":"hi"}'
    assert json.loads((await session.call("structured", {}, 5)).value_json) == {"n": 5}
    assert "pid" in (await session.call("pid", {}, 5)).value
    assert {tool["name"] for tool in await session.list_tools()} >= {"echo", "crash"}


async def test_a_tool_that_fails_says_why(fixture: Fixture) -> None:
    session = await fixture.open()
    reply = await session.call("fail", {}, 5)
    assert (reply.is_error, reply.text) == (True, "no such invoice")
    with pytest.raises(Refused, match="database is away"):
        await session.call("rpc_error", {}, 5)


@pytest.mark.parametrize("tool", ["big", "big_id_last"])
async def test_a_result_of_100_mb_fails_alone_and_the_next_call_is_answered_within_a_second(
    fixture: Fixture, tool: str
) -> None:
    session = await fixture.open()
    with pytest.raises(Unusable, match=r"104,8\d\d,\d\d\d bytes; at most 16,777,216"):
        await session.call(tool, {"bytes": 100 * 1024 * 1024}, 60)
    began = time.monotonic()
    assert await echo(session) == b'{"text":"hi"}'
    assert time.monotonic() - began < 1.0


@pytest.mark.usefixtures("quiet_heap")
async def test_a_large_result_is_read_without_holding_the_loop(fixture: Fixture) -> None:
    session = await fixture.open()
    await session.call("big", {"bytes": 100_000}, 10)
    asking = asyncio.create_task(session.call("big", {"bytes": 12_000_000}, 30))
    longest = 0.0
    while not asking.done():
        # Processor time, because a busy machine takes the processor away for as long as it likes.
        began = time.thread_time()
        await asyncio.sleep(0)
        longest = max(longest, time.thread_time() - began)
    assert len((await asking).value_json) == 12_000_000 + len('{"text":""}')
    assert longest < 0.05


async def test_broken_json_fails_the_call_that_it_answers(fixture: Fixture) -> None:
    session = await fixture.open()
    with pytest.raises(Unusable, match="not valid JSON"):
        await session.call("invalid_json", {}, 5)
    assert await echo(session) == b'{"text":"hi"}'


async def test_lines_that_are_no_messages_are_skipped(fixture: Fixture) -> None:
    session = await fixture.open(NASTY_BANNER="1")
    reply = await session.call("flood", {"bytes": 5_000_000}, 30)
    assert reply.value == {"text": "flooded"}
    assert fixture.lines[0] == "Welcome to nasty!"
    assert len(fixture.lines) < 1000, "a flood must not flood the log"


async def test_an_endless_flood_does_not_hold_up_anybody_else(fixture: Fixture) -> None:
    flooding, other = await fixture.open(), await fixture.open()
    asking = asyncio.create_task(flooding.call("flood_forever", {}, 1.0))
    times = []
    while not asking.done():
        began = time.perf_counter()
        await echo(other)
        times.append(time.perf_counter() - began)
    with pytest.raises(TimedOut):
        await asking
    assert len(times) > 10
    assert sorted(times)[len(times) * 9 // 10] < 0.1


async def test_a_hanging_tool_times_out_and_the_server_is_told(fixture: Fixture) -> None:
    session = await fixture.open()
    with pytest.raises(TimedOut, match=r"no answer within 0\.2 s"):
        await session.call("hang", {}, 0.2)
    assert not await session.ping(0.2)


async def test_a_crash_fails_the_call_in_flight_with_the_servers_last_words(fixture: Fixture) -> None:
    session = await fixture.open()
    with pytest.raises(Lost, match="ended with exit status 3; it wrote: about to crash on purpose"):
        await session.call("crash", {}, 5)
    assert not session.usable
    assert "exit status 3" in await session.ended
    with pytest.raises(NotSent):
        await echo(session)


async def test_a_server_that_cannot_start_says_why(fixture: Fixture) -> None:
    with pytest.raises(NotSent, match="ended with exit status 4; it wrote: cannot find my configuration"):
        await fixture.open(NASTY_CRASH_AT_START="1")
    with pytest.raises(NotSent, match="cannot start 'no-such-server': No such file"):
        await fixture.open("no-such-server")
    with pytest.raises(NotSent, match="exit status 0"):
        await fixture.open("true")


async def test_a_server_may_speak_and_ask_during_a_call(fixture: Fixture) -> None:
    session = await fixture.open()
    answered = (await session.call("chatty", {}, 5)).value
    assert answered["id"] == "s-1"
    assert answered["error"]["message"] == "List roots not supported"


async def test_many_calls_run_at_once(fixture: Fixture) -> None:
    session = await fixture.open()
    texts = [f"text {n}" for n in range(50)]
    answers = await asyncio.gather(*(echo(session, text) for text in texts))
    assert [json.loads(answer)["text"] for answer in answers] == texts
    assert session.in_flight == 0


async def test_a_session_may_be_closed_from_another_task(fixture: Fixture) -> None:
    session = await fixture.open()
    asking = asyncio.create_task(session.call("hang", {}, 30))
    await asyncio.sleep(0.1)
    await asyncio.create_task(session.close())
    with pytest.raises(Lost, match="the tool server was closed"):
        await asking
    assert session.asked_to_close


async def test_a_start_that_is_given_up_leaves_no_process(fixture: Fixture) -> None:
    session = fixture.make("sleep", "600")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await session.start()
    await session.close()
    assert incarnation.sweep(fixture.path) == []


async def test_progress_is_passed_on(fixture: Fixture) -> None:
    session = await fixture.open()
    seen: list[tuple[float, float | None, str | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        seen.append((progress, total, message))

    await session.call("progress", {}, 5, note)
    assert seen == [(1, 3, "step 1"), (2, 3, "step 2"), (3, 3, "step 3")]


async def test_standard_error_is_logged_without_secrets(fixture: Fixture) -> None:
    session = await fixture.open()
    await session.call("stderr", {"text": "the password is s3cret"}, 5)
    await asyncio.sleep(0.05)
    assert fixture.lines == ["the password is [redacted]"]
