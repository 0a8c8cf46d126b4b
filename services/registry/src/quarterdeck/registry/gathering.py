"""Objects to be taken over at once go into one transaction; who comes while it runs, into the next."""

from __future__ import annotations

import asyncio

from quarterdeck.common.database import OutcomeUnknown
from quarterdeck.common.errors import QuarterdeckError, Unavailable
from quarterdeck.registry import projection
from quarterdeck.registry.feed import Feed
from quarterdeck.registry.projection import Projection

# Objects of one transaction, at most.
AT_ONCE = 64


class Gathering:
    """See the module. Belongs to the event loop."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._waiting: list[tuple[Projection, asyncio.Future[None]]] = []
        self._working: asyncio.Task[None] | None = None

    async def take(self, item: Projection) -> None:
        """Takes an object over and publishes that. Raises as `Feed.write`, NotFound if its tenant is gone."""
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._working is None:
            self._working = asyncio.create_task(self._work(), name="gathering")
        await answer

    async def _work(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
                await self._write(batch)
        finally:
            self._working = None

    async def _write(self, batch: list[tuple[Projection, asyncio.Future[None]]]) -> None:
        try:
            done = await self._feed.write(projection.project, [item for item, _ in batch])
        except (Unavailable, OutcomeUnknown) as error:
            _fail(batch, error)
        except QuarterdeckError as error:
            # One of them stands in the way of the others.
            if len(batch) == 1:
                _fail(batch, error)
            for one in batch if len(batch) > 1 else ():
                await self._write([one])
        except BaseException as error:
            _fail(batch, error)
            if not isinstance(error, Exception):
                raise
        else:
            for item, answer in batch:
                _answer(answer, done.refused.get(item.key))


def _fail(batch: list[tuple[Projection, asyncio.Future[None]]], error: BaseException) -> None:
    for _, answer in batch:
        _answer(answer, error)


def _answer(answer: asyncio.Future[None], error: BaseException | None) -> None:
    if answer.done():  # nobody waits for it any more
        return
    if error is None:
        answer.set_result(None)
    else:
        answer.set_exception(error)
