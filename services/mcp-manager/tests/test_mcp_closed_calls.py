"""A call id that was answered or closed stays so: a worker that lost its run and asks late makes no call."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from mcp_support import State, Status, World, eventually, policy, value

from quarterdeck.common.database import Database, open_database
from quarterdeck.common.errors import InvalidArgument
from quarterdeck.mcp import store
from quarterdeck.mcp.outcome import CALLED_OFF, Outcome
from quarterdeck.mcp.outcome import Status as Ended
from quarterdeck.mcp.store import Intent

INTENT = Intent("t-1", "c-1", "ledger", "book", "hash", "run", None, "", 100.0)
REFUSED = Outcome(Ended.UNAVAILABLE, message="not there")


async def test_a_record_that_is_there_is_not_closed_over(database_url: str) -> None:
    database: Database = await open_database(database_url, store.metadata, "quarterdeck.mcp.migrations")
    try:
        assert await database.write(store.close, INTENT, REFUSED) is None
        again = await database.write(store.close, replace(INTENT, server="", tool=""), CALLED_OFF)
        assert again is not None and again.outcome == replace(REFUSED, replayed=True)
        late = await database.write(store.begin, INTENT)
        assert late is not None and late.outcome == replace(REFUSED, replayed=True)
        begun = replace(INTENT, call_id="c-2", incarnation="i")
        assert await database.write(store.begin, begun) is None
        known = await database.write(store.close, replace(begun, incarnation=""), REFUSED)
        assert known is not None and known.outcome is None  # an intent says that it may have been made
        assert await database.write(store.forget_finished, 101.0) == 1
    finally:
        await database.close()


async def test_a_runs_call_that_was_refused_stays_refused(world: World) -> None:
    request = world.request("append", {"text": "late"})
    assert (await world.send(request)).status == Status.STATUS_UNAVAILABLE
    await world.apply(world.nasty(), policy())
    await world.until_ready()
    for _ in range(2):
        assert (await world.send(request)).status == Status.STATUS_UNAVAILABLE
        await world.restart_manager()
        await world.until_ready()
    assert world.lines() == []
    assert (await world.call("append", {"text": "anew"})).status == Status.STATUS_OK


async def test_whoever_is_no_run_may_ask_again_under_the_same_id(world: World) -> None:
    request = world.request("append", {"text": "again"}, run_id="")
    assert (await world.send(request, world.gateway)).status == Status.STATUS_UNAVAILABLE
    await world.apply(world.nasty(), policy())
    await world.until_ready()
    assert (await world.send(request, world.gateway)).status == Status.STATUS_OK


async def test_a_call_over_the_rate_may_be_asked_again(world: World) -> None:
    limits = {"limits": {"callsPerMinute": 60}}
    await world.apply(world.nasty(**limits), policy())
    await world.until_ready()
    requests = [world.request("append", {"text": f"{n}"}) for n in range(80)]
    outcomes = await asyncio.gather(*map(world.send, requests))
    held = [r for r, outcome in zip(requests, outcomes, strict=True) if outcome.retry_after_seconds]
    assert held
    for request in held:
        assert (await world.record(request.call_id)).state == State.STATE_UNKNOWN_ID


async def test_a_sealed_call_is_never_sent(world: World) -> None:
    await world.apply(world.nasty(), policy())
    await world.until_ready()
    request = world.request("append", {"text": "too late"})
    for _ in range(2):
        (record,) = await world.seal(request.call_id)
        assert (record.state, record.outcome.status) == (State.STATE_DONE, Status.STATUS_CANCELLED)
        assert (await world.send(request)).status == Status.STATUS_CANCELLED
        await world.restart_manager()
        await world.until_ready()
    assert world.lines() == []


async def test_sealing_says_what_became_of_calls_that_were_made(world: World) -> None:
    await world.apply(world.nasty(), policy())
    await world.until_ready()
    made = world.request("append", {"text": "made"})
    under_way = world.request("progress", {})
    await world.send(made)
    calling = asyncio.create_task(world.send(under_way))

    async def took_off() -> bool:
        return bool((await world.record(under_way.call_id)).state == State.STATE_IN_FLIGHT)

    await eventually(took_off)
    done, flying = await world.seal(made.call_id, under_way.call_id)
    assert (done.state, done.outcome.status) == (State.STATE_DONE, Status.STATUS_OK)
    assert flying.state == State.STATE_IN_FLIGHT
    assert value(await calling) == {"text": "done"}
    (ended,) = await world.seal(under_way.call_id)
    assert ended.outcome.result_json == b'{"text":"done"}'
    assert world.lines() == ["made"]


async def test_sealing_is_bounded(world: World) -> None:
    with pytest.raises(InvalidArgument, match="1001 ids; at most 1,000"):
        await world.seal(*(f"c-{n}" for n in range(1001)))
