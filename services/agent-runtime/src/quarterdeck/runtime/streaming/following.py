"""A run's events from an offset, first from the journal, then live; nothing missed, nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from quarterdeck.common.database import Database
from quarterdeck.runtime.events import TERMINAL
from quarterdeck.runtime.store.journal import read_events
from quarterdeck.runtime.streaming.live import Heard, Live, LiveEvents

PAGE = 500
# Seconds of silence after which the journal is read although nobody said so. The sweeper is much quicker;
# but that a tree of runs has come to rest, which somebody may wait for, is written into no journal.
SILENCE, REST = 15.0, 1.0


async def follow(
    database: Database,
    live: LiveEvents,
    tenant_id: str,
    run_id: str,
    after: int,
    *,
    journal_only: bool,
    patience: float = SILENCE,
) -> AsyncIterator[Live | None]:
    """Yields events with a sequence number above `after`, in order, until the run has ended.

    None is yielded whenever everything up to now was given, at least every `patience` seconds; the caller may
    stop there.
    """
    queue = live.listen(run_id)
    try:
        position = after
        while True:
            async for event in _from_journal(database, tenant_id, run_id, position):
                position = event.seq
                yield event
                if event.type in TERMINAL:
                    return
            yield None
            async for event in _until_gap(queue, position, journal_only, patience):
                if event.seq:
                    position = event.seq
                yield event
                if event.type in TERMINAL:
                    return
    finally:
        live.forget(run_id, queue)


async def _from_journal(database: Database, tenant_id: str, run_id: str, after: int) -> AsyncIterator[Live]:
    while rows := await database.read(read_events, tenant_id, run_id, after, PAGE):
        for row in rows:
            yield Live(row.seq, row.type, row.data, row.at)
        after = rows[-1].seq


async def _until_gap(
    queue: asyncio.Queue[Heard], position: int, journal_only: bool, patience: float
) -> AsyncIterator[Live]:
    """Yields live events as long as they follow one another; returns when the journal must be asked."""
    while True:
        try:
            event = await _next(queue, patience)
        except TimeoutError:
            return
        if event is None:
            return
        if event.seq == 0:
            if not journal_only:
                yield event
            continue
        if event.seq <= position:
            continue
        if event.seq != position + 1:
            return
        position = event.seq
        yield event


async def _next(queue: asyncio.Queue[Heard], patience: float) -> Heard:
    """Returns what is heard next; a timer is set only if that is to be waited for. Raises TimeoutError."""
    if not queue.empty():
        return queue.get_nowait()
    async with asyncio.timeout(patience):
        return await queue.get()
