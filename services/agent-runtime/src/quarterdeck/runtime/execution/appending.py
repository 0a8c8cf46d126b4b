"""Makes a run's append durable, come what may: among others, past a lock, through a lost connection."""

from __future__ import annotations

import asyncio
import itertools

from quarterdeck.common.database import Database, OutcomeUnknown, Placed
from quarterdeck.runtime.store.commits import Commit, Committed, Fate, commit
from quarterdeck.runtime.store.outcomes import what_became
from quarterdeck.runtime.store.together import commit_together, is_plain

# Seconds before what became of an append is looked up; the server may still be at it.
LOOK_FIRST, LOOK_MOST = 0.05, 2.0
# Numbers the appends of this process. With a run's epoch, that names one.
_numbers = itertools.count(1)


async def append(database: Database, unit: Commit, now: float) -> Committed:
    """Makes an append and returns what became of it, for certain.

    Raises:
        Unavailable: nothing was written.
    """
    unit.batch = unit.batch or f"{unit.epoch}.{next(_numbers)}"
    try:
        return await _make(database, unit, now)
    except OutcomeUnknown:
        return await _find_out(database, unit, now)


async def _make(database: Database, unit: Commit, now: float) -> Committed:
    if is_plain(unit):
        made = await database.write_together(commit_together, (unit, now))
        if made.fate is not Fate.BUSY:
            return made
    # By itself it waits for whoever has the run's row, most likely a delivery.
    return await database.write(Placed(commit, place_of(unit)), unit, now)


def place_of(unit: Commit) -> str:
    """Returns the run that an append may have to wait for: whom it tells something, else its own."""
    return min((delivery.run_id for delivery in unit.deliveries), default=unit.run_id)


async def _find_out(database: Database, unit: Commit, now: float) -> Committed:
    """Looks until the append is seen, or until one that was tried again tells."""
    pause = LOOK_FIRST
    while True:
        await asyncio.sleep(pause)
        pause = min(LOOK_MOST, 2 * pause)
        fate: Fate | None = await database.read(what_became, unit)
        if fate is not None:
            return _told(unit, fate)
        try:
            made = await _make(database, unit, now)
        except OutcomeUnknown:
            continue
        if made.fate is not Fate.FENCED:
            return made
        # Fenced, perhaps by the first try, which the server finished in between.
        fate = await database.read(what_became, unit)
        return _told(unit, fate or Fate.FENCED)


def _told(unit: Commit, fate: Fate) -> Committed:
    """Returns the answer that was lost; nobody knows whom it would have poked, so everybody may look."""
    children = [str(child["run_id"]) for child in unit.children]
    others = [delivery.run_id for delivery in unit.deliveries]
    return Committed(fate, ready=children + others if fate is not Fate.FENCED else [])
