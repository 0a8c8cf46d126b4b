"""Answers are shared by those who came before the question was put, and by nobody else."""

import asyncio

import pytest

from quarterdeck.common.sharing import Shared


class Registry:
    """Answers with its newest revision when it may, and counts the questions."""

    def __init__(self):
        self.revision = 1
        self.asked = []
        self.may = asyncio.Semaphore(0)

    async def ask(self, key):
        self.asked.append(key)
        revision = self.revision
        await self.may.acquire()
        if revision < 0:
            raise ValueError(revision)
        return key, revision


async def settled():
    for _ in range(5):
        await asyncio.sleep(0)


async def test_newcomers_share_the_next_answer_and_never_an_older_one():
    registry = Registry()
    shared = Shared(registry.ask)
    first = [asyncio.create_task(shared("a")) for _ in range(3)]
    await settled()
    registry.revision = 2  # applied, and known to those who come now
    later = [asyncio.create_task(shared("a")) for _ in range(5)]
    await settled()
    assert registry.asked == ["a"]
    registry.may.release()
    assert await asyncio.gather(*first) == [("a", 1)] * 3
    registry.may.release()
    assert await asyncio.gather(*later) == [("a", 2)] * 5
    assert registry.asked == ["a", "a"]


async def test_other_questions_do_not_wait():
    registry = Registry()
    shared = Shared(registry.ask)
    asking = [asyncio.create_task(shared(key)) for key in ("a", "b")]
    await settled()
    assert registry.asked == ["a", "b"]
    registry.may.release()
    registry.may.release()
    assert await asyncio.gather(*asking) == [("a", 1), ("b", 1)]
    assert not shared._under_way and not shared._next


async def test_failure_reaches_all_who_share_it_and_the_next_asks_anew():
    registry = Registry()
    shared = Shared(registry.ask)
    registry.revision = -1
    failing = [asyncio.create_task(shared("a")) for _ in range(2)]
    await settled()
    registry.revision = 3
    going = asyncio.create_task(shared("a"))
    registry.may.release()
    registry.may.release()
    assert [str(e) for e in await asyncio.gather(*failing, return_exceptions=True)] == ["-1", "-1"]
    assert await going == ("a", 3)


async def test_who_gives_up_takes_the_answer_from_nobody():
    registry = Registry()
    shared = Shared(registry.ask)
    impatient, patient = (asyncio.create_task(shared("a")) for _ in range(2))
    await settled()
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    registry.may.release()
    assert await patient == ("a", 1)
