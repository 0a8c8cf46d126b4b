"""Many starts in one call: each is accepted or refused by itself, and few statements hold them all.

They are accepted for the queue: whoever is free takes them from there, as limits and turns say. What a batch
asks of others it asks once for all of its runs of one definition.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from quarterdeck.common.access import Authorizer
from quarterdeck.common.errors import QuarterdeckError
from quarterdeck.runtime.bounds import check_message
from quarterdeck.runtime.engine import Engine
from quarterdeck.runtime.starting.accepting import Accepted, Start, Starter, accept, once, require_open
from quarterdeck.runtime.store.queueing import for_the_queue, queue_together

# Runs of one statement: more would hold the event loop while their arguments are made.
TOGETHER = 250
# Seconds of checking between two turns of the event loop.
TURN = 0.01

Answer = Accepted | QuarterdeckError
# What is asked for, and whether it may be: once for all runs of the same name and kind.
Pinned = tuple[Start, str] | QuarterdeckError


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run that may be created. `place` is its place in the batch."""

    place: int
    wish: Start
    row: dict[str, Any]

    @property
    def turn(self) -> str:
        """Runs of the same turn are accepted one after the other, in their order; others may be at once."""
        turn: str = self.row["session"] or self.row["gate"] or self.row["run_id"]
        return turn

    def may_go_before(self, turns: Collection[str]) -> bool:
        """Returns whether it overtakes none of those that are accepted later, by themselves."""
        return self.wish.signal is None and self.turn not in turns


class ManyStarts:
    """Starts batches of runs.

    Args:
        authorizer: asked for each name of a batch whether whoever starts it may.
    """

    def __init__(self, engine: Engine, starter: Starter, authorizer: Authorizer) -> None:
        self._engine = engine
        self._starter = starter
        self._authorizer = authorizer

    async def start(self, wishes: Sequence[Start | QuarterdeckError]) -> list[Answer]:
        """Accepts runs of one tenant and principal, or says for each why not, as `Starter.start` would.

        Args:
            wishes: an error stands for a wish that was refused before.
        """
        answers: list[Answer | None] = [wish if isinstance(wish, Exception) else None for wish in wishes]
        prepared = [one async for one in self._prepared(wishes, answers)]
        turns: dict[str, list[Prepared]] = {}
        for chunk in _chunks(prepared):
            await self._together([one for one in chunk if one.may_go_before(turns)], answers)
            for one in chunk:
                if answers[one.place] is None:
                    turns.setdefault(one.turn, []).append(one)
        await asyncio.gather(*(self._in_turn(turn, answers) for turn in turns.values()))
        known = [answer for answer in answers if answer is not None]
        await self._wake(known)
        return known

    async def _prepared(
        self, wishes: Sequence[Start | QuarterdeckError], answers: list[Answer | None]
    ) -> AsyncIterator[Prepared]:
        """Yields what may be created; puts what may not into the answers."""
        pins = await self._pins([wish for wish in wishes if isinstance(wish, Start)])
        began = time.perf_counter()
        for place, wish in enumerate(wishes):
            if isinstance(wish, Exception):
                continue
            try:
                pinned = pins[wish.kind, wish.name]
                if isinstance(pinned, Exception):
                    raise pinned
                yield await self._prepare(place, wish, *pinned)
            except QuarterdeckError as error:
                answers[place] = error
            if time.perf_counter() - began > TURN:
                await asyncio.sleep(0)
                began = time.perf_counter()

    async def _prepare(self, place: int, wish: Start, pinned: Start, closure: str) -> Prepared:
        if wish.kind == "Agent":
            check_message(wish.input)
        wish = replace(wish, kind=pinned.kind)
        return Prepared(place, wish, await self._starter.prepare(wish, closure))

    async def _pins(self, wishes: Sequence[Start]) -> dict[tuple[str, str], Pinned]:
        kinds = {(wish.kind, wish.name): wish for wish in wishes}
        pins = await asyncio.gather(*map(self._pin, kinds.values()))
        return dict(zip(kinds, pins, strict=True))

    async def _pin(self, wish: Start) -> Pinned:
        try:
            await self._authorizer.authorize(wish.principal, "create", "runs", wish.tenant.name, wish.name)
            require_open(wish.tenant)
            return await self._starter.pin(wish)
        except QuarterdeckError as error:
            return error

    async def _together(self, chunk: Sequence[Prepared], answers: list[Answer | None]) -> None:
        """Creates what waits for nobody; leaves without an answer what is to be accepted by itself."""
        births = [for_the_queue(one.row, once(one.wish)) for one in chunk]
        try:
            created = await self._engine.database.write(queue_together, births) if births else set()
        except QuarterdeckError as error:
            for one in chunk:
                answers[one.place] = error
            return
        for one in chunk:
            run_id = one.row["run_id"]
            if run_id in created:
                answers[one.place] = Accepted(run_id, created=True, ready=[run_id])

    async def _in_turn(self, turn: Sequence[Prepared], answers: list[Answer | None]) -> None:
        write, now = self._engine.database.write, self._engine.clock.now
        for one in turn:
            try:
                answers[one.place] = await write(accept, one.wish, one.row, now())
            except QuarterdeckError as error:
                answers[one.place] = error

    async def _wake(self, answers: Sequence[Answer]) -> None:
        accepted = [answer for answer in answers if isinstance(answer, Accepted)]
        ready = [run_id for one in accepted for run_id in one.ready]
        poke = {run_id: worker for one in accepted for run_id, worker in one.poke.items()}
        if ready or poke:
            await self._engine.wake(ready, poke)


def _chunks(prepared: Sequence[Prepared]) -> Iterator[Sequence[Prepared]]:
    for begin in range(0, len(prepared), TOGETHER):
        yield prepared[begin : begin + TOGETHER]
