"""Keeps the mirror of one replica at what all replicas have written.

A replica publishes its own writes before it answers them. Of others' writes it learns in two ways: a look
each quarter of a second, which is what watches need, and a look before each answer from memory, which
many answers share. So who has written through one replica reads it back from any other.
"""

from __future__ import annotations

import asyncio
from typing import Any

from quarterdeck.common.database import Database
from quarterdeck.common.errors import QuarterdeckError
from quarterdeck.common.sharing import Shared
from quarterdeck.registry import history
from quarterdeck.registry.feed import Feed


class Following:
    """See the module. Where no other process may write, nothing is looked for."""

    def __init__(self, database: Database, feed: Feed, log: Any) -> None:
        self._database = database
        self._feed = feed
        self._log = log
        self._look: Shared[None, None] = Shared(self._follow)
        self._behind = False

    async def fresh(self) -> None:
        """Returns when the mirror holds all that was written before this was called.

        While the database is away the mirror stays as it is, and answers go on.
        """
        if self._database.shared:
            await self._try_to_look()

    async def run(self, period: float) -> None:
        """Looks every `period` seconds, for good."""
        while self._database.shared:
            await asyncio.sleep(period)
            await self._try_to_look()

    async def _try_to_look(self) -> None:
        try:
            await self._look(None)
        except QuarterdeckError as error:
            if not self._behind:
                self._log.warning("replica.behind", error=error.message)
            self._behind = True
        else:
            self._behind = False

    async def _follow(self, _: None) -> None:
        bounds = await self._database.read(history.bounds)
        await self._feed.follow(bounds.newest)
