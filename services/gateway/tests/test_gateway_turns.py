"""Many requests at once begin a few at a time, in their order."""

import asyncio

import pytest

from quarterdeck.gateway.middleware.turns import MOST, Turns


class App:
    """Notes which requests began, and how many of them in the fullest turn of the loop."""

    def __init__(self):
        self.begun = []
        self.most = 0

    async def __call__(self, scope, receive, send):
        self.begun.append(scope["number"])

    async def watch(self):
        while True:
            before = len(self.begun)
            await asyncio.sleep(0)
            self.most = max(self.most, len(self.begun) - before)


@pytest.fixture
async def app():
    app = App()
    watching = asyncio.create_task(app.watch())
    yield app
    watching.cancel()


def ask(turns, number, kind="http"):
    return asyncio.create_task(turns({"type": kind, "number": number}, None, None))


async def test_a_crowd_begins_a_few_at_a_time_and_in_order(app):
    turns = Turns(app)
    await asyncio.gather(*(ask(turns, number) for number in range(10 * MOST)))
    assert app.begun == list(range(10 * MOST))
    assert app.most == MOST


async def test_who_comes_later_does_not_overtake_and_who_leaves_takes_no_place(app):
    turns = Turns(app)
    crowd = [ask(turns, number) for number in range(3 * MOST)]
    await asyncio.sleep(0)
    gone = crowd[MOST : 2 * MOST]
    for task in gone:
        task.cancel()
    late = ask(turns, 1000)
    await asyncio.gather(*crowd, late, return_exceptions=True)
    assert app.begun == [*range(MOST), *range(2 * MOST, 3 * MOST), 1000]


async def test_one_alone_waits_for_nothing_and_leaves_nothing_behind(app):
    turns = Turns(app)
    for number in range(3):
        await turns({"type": "http", "number": number}, None, None)
    assert app.begun == [0, 1, 2]
    for _ in range(3):
        await asyncio.sleep(0)
    assert not turns._counting and not turns._waiting


async def test_what_is_no_request_does_not_wait(app):
    turns = Turns(app)
    crowd = [ask(turns, number) for number in range(2 * MOST)]
    await turns({"type": "lifespan", "number": -1}, None, None)
    assert app.begun == [-1]
    await asyncio.gather(*crowd)
