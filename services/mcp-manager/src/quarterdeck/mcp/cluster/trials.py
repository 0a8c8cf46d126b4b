"""Tries pods that begin to run, each for itself, until one proves that it answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

# Seconds between two tries of one pod.
_TRY_AGAIN = 0.02

Try = Callable[[str], Awaitable[bool]]
"""Says whether the pod at an address answers."""


class Trials:
    """See the module. One that takes connections and says nothing holds up nobody else.

    Args:
        answers: tries one address; it may take its time.
    """

    def __init__(self, answers: Try) -> None:
        self._answers = answers
        self._tasks: dict[str, asyncio.Task[bool]] = {}

    async def first(self, starting: Sequence[str], seconds: float) -> str:
        """Returns the first address of these that has proved itself; empty if none has in that time."""
        for address in starting:
            if address not in self._tasks:
                self._tasks[address] = asyncio.create_task(self._until_it_answers(address))
        trying = [self._tasks[address] for address in starting]
        if trying:
            await asyncio.wait(trying, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(seconds)
        done = ((address, self._tasks[address]) for address in starting if self._tasks[address].done())
        return next((address for address, task in done if task.result()), "")

    async def _until_it_answers(self, address: str) -> bool:
        while True:
            if await self._answers(address):
                return True
            await asyncio.sleep(_TRY_AGAIN)

    async def close(self) -> None:
        """Ends what is being tried."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
