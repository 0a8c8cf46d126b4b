"""Finds what no message told: one question to the database for all the runs that are streamed from here."""

from __future__ import annotations

import asyncio

import structlog

from quarterdeck.common.database import Database
from quarterdeck.runtime.store.positions import last_seqs
from quarterdeck.runtime.streaming.live import LiveEvents

# Seconds between two looks, and runs in one question.
PERIOD = 1.0
PAGE = 500

log = structlog.get_logger("streaming")


class Sweeper:
    """Has the listeners of runs look at the journal when it holds more than they were told."""

    def __init__(self, database: Database, live: LiveEvents) -> None:
        self._database = database
        self._live = live

    async def run(self) -> None:
        """Looks again and again until cancelled."""
        while True:
            await asyncio.sleep(PERIOD)
            try:
                await self.sweep()
            except Exception as error:  # whatever it was: streams would stand still without it
                log.warning("sweep.failed", reason=str(error))

    async def sweep(self) -> None:
        """Looks once."""
        runs, found = self._live.run_ids(), dict[str, int]()
        for start in range(0, len(runs), PAGE):
            found |= await self._database.read(last_seqs, runs[start : start + PAGE])
        if runs:
            self._live.look(found)
