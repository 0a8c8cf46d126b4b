"""How long sessions live, and who shares one."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from mcp_support import NASTY, eventually

from quarterdeck.mcp import incarnation
from quarterdeck.mcp.connection import open_local
from quarterdeck.mcp.environment import server_environment
from quarterdeck.mcp.exchange import Exchange
from quarterdeck.mcp.failures import NotSent
from quarterdeck.mcp.noise import LineLog
from quarterdeck.mcp.offload import Offload
from quarterdeck.mcp.pool import SPARE, Pool, PoolRule
from quarterdeck.mcp.process import Command
from quarterdeck.mcp.session import Session
from quarterdeck.mcp.supervisor import Crash, RestartRule

Make = Callable[..., Pool]
QUICK = RestartRule(initial_delay=0.01, max_delay=5, crash_loop_after=3)


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    pools: list[Pool] = []
    offload = Offload(tmp_path)

    def make(rule: PoolRule, crashes: list[Crash] | None = None, **environment: str) -> Pool:
        seen = server_environment(os.environ, environment)
        command = Command((sys.executable, str(NASTY)), seen, None, tmp_path)

        def session() -> Session:
            lines = LineLog(lambda _: None)
            return Session(lambda asked: open_local(command, asked, lines, lines), Exchange(10**6, offload))

        async def started(_: Session) -> None:
            """Nothing more is needed."""

        seen_crashes: list[Crash] = [] if crashes is None else crashes
        pools.append(Pool(rule, session, started, seen_crashes.append))
        return pools[-1]

    yield make
    await asyncio.gather(*(pool.close() for pool in pools))
    await offload.close()
    assert incarnation.sweep(tmp_path) == []


async def pid(pool: Pool, key: str) -> int:
    async with pool.lease(key, 10) as session:
        return int(json.loads((await session.call("pid", {}, 10)).value_json)["pid"])


async def test_a_shared_server_is_started_once(make: Make) -> None:
    pool = make(PoolRule(shared=True, idle_timeout=0))
    pids = await asyncio.gather(*(pid(pool, f"run-{n}") for n in range(10)))
    assert len(set(pids)) == 1


async def test_an_isolated_server_is_started_for_each_run(make: Make) -> None:
    pool = make(PoolRule())
    pids = await asyncio.gather(*(pid(pool, f"run-{n}") for n in (1, 2, 1, 2)))
    assert pids[0] == pids[2] != pids[1] == pids[3]


async def test_the_first_run_gets_the_session_in_which_the_tools_were_listed(make: Make) -> None:
    pool = make(PoolRule())
    listed = await pid(pool, SPARE)
    assert await pid(pool, "run-1") == listed
    assert await pid(pool, "run-2") != listed
    assert await pid(pool, "run-1") == listed


async def test_an_idle_session_is_ended(make: Make) -> None:
    pool = make(PoolRule(idle_timeout=0.1))
    first = await pid(pool, "run")
    await asyncio.sleep(0.05)
    assert await pid(pool, "run") == first, "using it keeps it"
    await eventually(lambda: pool.sessions == [])
    assert await pid(pool, "run") != first


async def test_no_more_sessions_than_allowed_are_kept(make: Make) -> None:
    pool = make(PoolRule(most=2))
    pids = [await pid(pool, f"run-{n}") for n in range(4)]
    assert len(pool.sessions) == 2
    assert await pid(pool, "run-3") == pids[3]
    assert await pid(pool, "run-0") != pids[0]


async def test_calls_wait_for_a_free_slot_and_not_for_ever(make: Make) -> None:
    pool = make(PoolRule(shared=True, concurrency=1))
    async with pool.lease("a", 10):
        with pytest.raises(NotSent, match=r"1 calls, the server's limit, were under way for 0\.05 s"):
            async with pool.lease("b", 0.05):
                pass
        waiting = asyncio.create_task(pid(pool, "c"))
        await asyncio.sleep(0.05)
        assert not waiting.done()
    assert await waiting > 0


async def test_a_crashed_server_is_started_again_after_a_pause(make: Make) -> None:
    crashes: list[Crash] = []
    pool = make(PoolRule(shared=True, restart=RestartRule(initial_delay=0.3)), crashes)
    first = await pid(pool, "run")
    os.kill(first, 9)
    await eventually(lambda: crashes)
    assert crashes[0].reason == "was killed by SIGKILL"
    began = time.monotonic()
    assert await pid(pool, "run") != first
    assert time.monotonic() - began > 0.2


async def test_a_crash_loop_refuses_until_its_pause_is_over(make: Make) -> None:
    crashes: list[Crash] = []
    rule = RestartRule(initial_delay=0.1, max_delay=5, crash_loop_after=3)
    pool = make(PoolRule(shared=True, restart=rule), crashes, NASTY_CRASH_AT_START="1")
    for _ in range(3):
        with pytest.raises(NotSent, match="cannot find my configuration"):
            await pid(pool, "run")
    assert pool.decision().crash_loop
    with pytest.raises(
        NotSent, match="crash loop: 3 in a row, the last: the tool server ended with exit status 4"
    ):
        await pid(pool, "run")
    assert len(crashes) == 3
    await asyncio.sleep(0.5)
    with pytest.raises(NotSent, match="cannot find my configuration"):
        await pid(pool, "run")
    assert len(crashes) == 4


async def test_a_retired_session_ends_when_its_calls_have(make: Make) -> None:
    pool = make(PoolRule(shared=True))
    async with pool.lease("a", 10) as session:
        calling = asyncio.create_task(session.call("progress", {}, 10))
        await asyncio.sleep(0.01)
        pool.retire(session)
        assert await pid(pool, "b") != session.pid
        assert not (await calling).is_error
    assert await session.ended == "was closed"


async def test_a_pool_that_closes_refuses_who_waits_for_a_start(make: Make) -> None:
    pool = make(PoolRule(shared=True))
    waiting = asyncio.create_task(pid(pool, "run"))
    await asyncio.sleep(0.01)
    await pool.close()
    with pytest.raises(NotSent, match="being removed"):
        await waiting
    with pytest.raises(NotSent, match="being removed"):
        await pid(pool, "run")
