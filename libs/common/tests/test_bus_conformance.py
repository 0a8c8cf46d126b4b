"""One suite for every bus: what `quarterdeck.common.bus.interface.Bus` says, each adapter does."""

import asyncio
import time
from dataclasses import dataclass, field

import pytest

from quarterdeck.common.bus import InProcessBus, Message, open_bus
from quarterdeck.common.bus.delivery import DeliveryRules
from quarterdeck.common.bus.instruments import BusInstruments
from quarterdeck.common.errors import InvalidArgument, Unavailable
from quarterdeck.common.ids import uuid7

LIMIT, QUEUE_LIMIT = 2, 20


@dataclass
class Heard:
    """A handler that notes what it got."""

    got: list[Message] = field(default_factory=list)
    failing: set[int] = field(default_factory=set)

    async def __call__(self, message):
        self.got.append(message)
        if message.data.get("n") in self.failing:
            raise ValueError("this one fails")

    @property
    def numbers(self):
        return [message.data["n"] for message in self.got]

    async def wait(self, count, seconds=20.0):
        await until(lambda: len(self.got) >= count, seconds)


async def until(condition, seconds=20.0):
    """Waits until something holds; fails after a while."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.005)


@pytest.fixture(params=["memory", "amqp"])
async def bus(request):
    """A bus whose groups give up after `LIMIT` failures; over RabbitMQ with names of its own."""
    if request.param == "memory":
        opened = InProcessBus(rules=DeliveryRules(LIMIT, QUEUE_LIMIT), instruments=BusInstruments())
    else:
        url = request.getfixturevalue("rabbitmq_url")
        query = f"namespace=t{uuid7()}&delivery_limit={LIMIT}&queue_limit={QUEUE_LIMIT}"
        opened = open_bus(f"{url}?{query}")
    yield opened
    await opened.close()


def message(n, topic="t.x", **headers):
    return Message(topic, "tenant-1", {"n": n, "text": "ä"}, headers)


async def test_what_is_published_arrives_as_it_was_in_order(bus):
    heard = Heard()
    await bus.subscribe("t.*", heard)
    for n in range(50):
        assert await bus.publish(message(n, trace="abc"))
    await heard.wait(50)
    assert heard.numbers == list(range(50))
    assert heard.got[0] == message(0, trace="abc")


async def test_a_topic_is_the_same_or_goes_on(bus):
    exact, below, everything = Heard(), Heard(), Heard()
    await bus.subscribe("runs", exact)
    await bus.subscribe("runs.*", below)
    await bus.subscribe("runs.poke.worker-1", everything)
    assert not await bus.publish(message(0, "other"))
    assert await bus.publish(message(1, "runs"))
    assert await bus.publish(message(2, "runs.poke.worker-1"))
    assert not await bus.publish(message(3, "runsx.poke"))
    await below.wait(1)
    await everything.wait(1)
    await exact.wait(1)
    await asyncio.sleep(0.1)
    assert (exact.numbers, below.numbers, everything.numbers) == ([1], [2], [2])


async def test_nobody_there_is_said(bus):
    assert not await bus.publish(message(1, "nobody.listens"))
    heard = Heard()
    subscription = await bus.subscribe("nobody.listens", heard)
    assert await bus.publish(message(2, "nobody.listens"))
    await heard.wait(1)
    await subscription.close()
    await asyncio.sleep(0.1)
    assert not await bus.publish(message(3, "nobody.listens"))


async def test_without_a_group_everybody_gets_everything(bus):
    first, second = Heard(), Heard()
    await bus.subscribe("t.x", first)
    await bus.subscribe("t.x", second)
    for n in range(20):
        await bus.publish(message(n))
    await first.wait(20)
    await second.wait(20)
    assert first.numbers == second.numbers == list(range(20))


async def test_a_group_shares(bus):
    first, second, other = Heard(), Heard(), Heard()
    await bus.subscribe("t.x", first, group="workers")
    await bus.subscribe("t.x", second, group="workers")
    await bus.subscribe("t.x", other, group="others")
    for n in range(200):
        await bus.publish(message(n))
        await until(lambda: len(first.got) + len(second.got) + QUEUE_LIMIT // 2 > n)  # noqa: B023
    await until(lambda: len(first.got) + len(second.got) >= 200)
    await other.wait(200)
    assert sorted(first.numbers + second.numbers) == list(range(200))
    assert first.got and second.got
    assert sorted(other.numbers) == list(range(200))


async def test_a_groups_queue_outlives_its_subscribers(bus):
    before, after = Heard(), Heard()
    subscription = await bus.subscribe("t.x", before, group="workers")
    await subscription.close()
    assert await bus.publish(message(1))
    await bus.subscribe("t.x", after, group="workers")
    await after.wait(1)
    assert (before.numbers, after.numbers) == ([], [1])


async def test_a_full_group_queue_refuses(bus):
    subscription = await bus.subscribe("t.x", Heard(), group="workers")
    await subscription.close()
    with pytest.raises(Unavailable, match="full"):
        for n in range(10 * QUEUE_LIMIT):  # a broker looks at its limit a little late
            await bus.publish(message(n))


async def test_what_a_group_fails_on_comes_again_and_then_is_a_dead_letter(bus):
    heard = Heard(failing={1})
    await bus.subscribe("t.x", heard, group="workers", concurrency=4)
    for n in range(3):
        await bus.publish(message(n))
    letters = await dead(bus, 1)
    assert sorted(heard.numbers) == [0, *[1] * (LIMIT + 1), 2]
    (letter,) = letters
    assert letter.message == message(1)
    assert (letter.topic, letter.reason) == ("t.x", "delivery_limit")
    assert letter.queue.endswith("workers.t.x")
    assert letter.id and abs(letter.died_at - time.time()) < 60
    assert await dead(bus, 1) == letters, "reading leaves it there"


async def test_a_dead_letter_is_replayed_to_the_queue_that_gave_it_up(bus):
    failing, other = Heard(failing={1, 2}), Heard()
    await bus.subscribe("t.x", failing, group="workers", concurrency=4)
    await bus.subscribe("t.x", other, group="others")
    await bus.publish(message(1))
    await bus.publish(message(2))
    letters = await dead(bus, 2)
    failing.failing.clear()
    failing.got.clear()
    chosen = next(letter for letter in letters if letter.message.data["n"] == 2)
    assert await bus.replay([chosen.id, "no such id"]) == [chosen.id]
    await failing.wait(1)
    await asyncio.sleep(0.1)
    assert failing.got == [message(2)]
    assert sorted(other.numbers) == [1, 2], "another queue gets it once"
    assert [letter.message.data["n"] for letter in await dead(bus, 1)] == [1]


async def dead(bus, count):
    letters = []
    end = time.monotonic() + 20
    while len(letters) < count:
        assert time.monotonic() < end, "nothing died"
        await asyncio.sleep(0.05)
        letters = list(await bus.dead_letters(10))
    return letters


async def test_without_a_group_a_failure_is_not_repeated(bus):
    heard = Heard(failing={1})
    await bus.subscribe("t.x", heard)
    for n in range(3):
        await bus.publish(message(n))
    await heard.wait(3)
    await asyncio.sleep(0.3)
    assert heard.numbers == [0, 1, 2]
    assert not await bus.dead_letters(10)


async def test_a_handler_that_runs_may_end_when_its_subscription_closes(bus):
    began, ended = asyncio.Event(), asyncio.Event()

    async def slow(_message):
        began.set()
        await asyncio.sleep(0.1)
        ended.set()

    subscription = await bus.subscribe("t.x", slow, group="workers")
    await bus.publish(message(1))
    await began.wait()
    await subscription.close()
    assert ended.is_set()


async def test_a_handler_may_close_its_own_subscription(bus):
    closed = asyncio.Event()

    async def once(_message):
        await subscription.close()
        closed.set()

    subscription = await bus.subscribe("t.x", once)
    await bus.publish(message(1))
    async with asyncio.timeout(5):
        await closed.wait()


async def test_wrong_topics_are_refused(bus):
    for pattern in ("", "a*", "a.*.b", "x" * 256):
        with pytest.raises(InvalidArgument):
            await bus.subscribe(pattern, Heard())
    with pytest.raises(InvalidArgument):
        await bus.publish(message(1, "x" * 256))


async def test_handlers_run_at_once_as_often_as_asked(bus):
    running, most = 0, 0

    async def work(_message):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.05)
        running -= 1

    await bus.subscribe("t.x", work, group="workers", concurrency=3)
    await asyncio.gather(*(bus.publish(message(n)) for n in range(12)))
    await asyncio.sleep(0.5)
    assert most == 3


async def test_a_well_bus_says_so(bus):
    await bus.subscribe("t.x", Heard(), group="workers")
    await bus.check()
