"""Bad weather over a real RabbitMQ: restarts, lost connections, a short memory, strangers."""

import asyncio
import time

import aio_pika
import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from hack.services.proxy import Proxy
from quarterdeck.common.bus import Message, open_bus
from quarterdeck.common.errors import Unavailable
from quarterdeck.common.ids import uuid7


async def until(condition, seconds=40.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        await asyncio.sleep(0.01)


def open_at(url, registry=None, **parameters):
    query = {"namespace": f"t{uuid7()}", **parameters}
    return open_bus(url + "?" + "&".join(f"{name}={value}" for name, value in query.items()), registry)


def message(n, topic="t.x"):
    return Message(topic, "tenant", {"n": n})


async def healthy(bus):
    try:
        await bus.check()
    except Unavailable:
        return False
    return True


async def until_healthy(bus):
    end = time.monotonic() + 40
    while not await healthy(bus):
        assert time.monotonic() < end, "it did not recover"
        await asyncio.sleep(0.05)


async def dead(bus, count):
    end = time.monotonic() + 20
    while len(letters := await bus.dead_letters(10)) < count:
        assert time.monotonic() < end, "nothing died"
        await asyncio.sleep(0.05)
    return letters


def collect(into):
    async def take(message):
        into.append(message.data["n"])

    return take


async def test_a_restarted_broker_loses_nothing_that_it_confirmed(broker):
    bus, got = open_at(broker.url, publish_timeout=60), []
    subscription = await bus.subscribe("t.x", collect(got), group="workers")
    await subscription.close()
    for n in range(50):
        await bus.publish(message(n))
    # RabbitMQ 3.10 finds a queue again that was declared a few seconds before a power cut, not just before.
    await asyncio.sleep(3)
    await asyncio.to_thread(broker.kill)
    await until(lambda: bus._out.why)
    late = asyncio.create_task(bus.publish(message(50)))
    await bus.subscribe("t.x", collect(got), group="workers")
    await asyncio.to_thread(broker.start)
    assert await late
    await until(lambda: set(got) == set(range(51)))
    await until_healthy(bus)
    await bus.close()


async def test_while_the_broker_is_away_publishing_fails_soon_and_then_at_once(broker):
    registry = CollectorRegistry()
    bus, got = open_at(broker.url, registry, publish_timeout=0.5), []
    await bus.subscribe("t.x", collect(got))
    await asyncio.to_thread(broker.stop)
    try:
        began = time.monotonic()
        with pytest.raises(Unavailable, match="RabbitMQ"):
            await bus.publish(message(1))
        assert time.monotonic() - began < 2
        await asyncio.sleep(1.0)
        began = time.monotonic()
        with pytest.raises(Unavailable, match="RabbitMQ"):
            await bus.publish(message(2))
        assert time.monotonic() - began < 0.1
        assert not await healthy(bus)
        labels = {"topic": "t", "reason": "away"}
        assert registry.get_sample_value("bus_refused_total", labels) == 2
    finally:
        await asyncio.to_thread(broker.start)
    await until_healthy(bus)
    await bus.publish(message(3))
    await until(lambda: 3 in got)
    await bus.close()


async def test_cut_connections_lose_no_hand_off(rabbitmq_url):
    async with Proxy(rabbitmq_url) as proxy:
        bus, got, taken = open_at(proxy.url, publish_timeout=30), [], []
        await bus.subscribe("t.x", collect(got), group="workers", concurrency=4)

        async def publish():
            for n in range(300):
                assert await bus.publish(message(n))
                taken.append(n)

        publishing = asyncio.create_task(publish())
        for at in (50, 120, 200):
            await until(lambda: len(taken) >= at or publishing.done())  # noqa: B023
            assert not publishing.done()
            proxy.cut()
        await publishing
        await until(lambda: set(got) == set(range(300)))
        assert taken == list(range(300))
        assert len(got) < 600, "only what was in flight comes twice"
        assert proxy.accepted > 4, "the connections were cut"
        await bus.close()


async def test_a_handler_goes_on_when_the_connection_is_cut_and_the_message_comes_again(rabbitmq_url):
    async with Proxy(rabbitmq_url) as proxy:
        bus, began, ended = open_at(proxy.url), [], []

        async def slow(message):
            began.append(message.data["n"])
            await asyncio.sleep(0.5)
            ended.append(message.data["n"])

        await bus.subscribe("t.x", slow, group="workers")
        await bus.publish(message(1))
        await until(lambda: began == [1])
        proxy.cut()
        await until(lambda: ended == [1, 1])
        await bus.close()


async def test_a_broker_short_of_memory_holds_publishers_up_and_lets_them_go(broker):
    registry = CollectorRegistry()
    bus, got = open_at(broker.url, registry, publish_timeout=1.0), []
    await bus.subscribe("t.x", collect(got), group="workers", concurrency=2)
    assert await bus.publish(message(1))
    await asyncio.to_thread(broker.control, "set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        began = time.monotonic()
        with pytest.raises(Unavailable):
            for n in range(2, 1000):
                await bus.publish(message(n))
        assert time.monotonic() - began < 30
        await until(lambda: registry.get_sample_value("bus_blocked") == 1)
        await until(lambda: "short of memory" in bus._out.why)
        with pytest.raises(Unavailable, match="short of memory"):
            await bus.publish(message(5000))
        assert not await healthy(bus)
    finally:
        await asyncio.to_thread(broker.control, "set_vm_memory_high_watermark", "0.8")
    await until_healthy(bus)
    assert await bus.publish(message(6000))
    await until(lambda: 6000 in got)
    assert registry.get_sample_value("bus_blocked") == 0
    await bus.close()


async def test_a_foreign_message_is_said_once_and_kept_as_a_dead_letter(rabbitmq_url):
    bus, got = open_at(rabbitmq_url), []
    await bus.subscribe("t.*", collect(got), group="workers")
    namespace = bus._settings.namespace
    connection = await aio_pika.connect(rabbitmq_url)
    async with connection, connection.channel() as channel:
        exchange = await channel.get_exchange(namespace)
        with capture_logs() as logs:
            for body in (b"hello", b"\xff", b"[]"):
                await exchange.publish(aio_pika.Message(body, app_id="stranger"), "t.other")
            await exchange.publish(aio_pika.Message(b"{", type="quarterdeck.v1"), "t.other")
            await bus.publish(message(1))
            await until(lambda: got == [1])
        letters = await dead(bus, 4)
    told = [entry for entry in logs if entry["event"] == "bus.foreign_message"]
    assert [(entry["application"], entry["routing_key"]) for entry in told] == [("stranger", "t.other")]
    assert {(letter.reason, letter.message, letter.topic) for letter in letters} == {
        ("rejected", None, "t.other")
    }
    assert {letter.raw for letter in letters} == {b"hello", b"\xff", b"[]", b"{"}
    await bus.close()


async def test_a_queue_declared_with_other_arguments_is_used_and_said_once_until_it_is_gone(rabbitmq_url):
    namespace, got = f"t{uuid7()}", []
    name = f"{namespace}.workers.t.x"
    connection = await aio_pika.connect(rabbitmq_url)
    async with connection, connection.channel() as channel:
        await channel.declare_queue(name, durable=True)
        bus = open_at(rabbitmq_url, namespace=namespace)
        with capture_logs() as logs:
            await bus.subscribe("t.x", collect(got), group="workers")
            await bus.publish(message(1))
            await until(lambda: got == [1])
            with pytest.raises(Unavailable, match="declared with other arguments"):
                await bus.check()
            await asyncio.sleep(1.2)
            assert [entry["event"] for entry in logs].count("bus.trouble") == 1
        await channel.queue_delete(name)
        await until_healthy(bus)
    await bus.publish(message(2))
    await until(lambda: got == [1, 2])
    await bus.close()


async def test_wrong_credentials_are_said_once_without_them(rabbitmq_url):
    wrong = rabbitmq_url.replace("quarterdeck:", "quarterdeck:no-such-password-")
    bus = open_at(wrong, publish_timeout=0.3)
    with capture_logs() as logs:
        with pytest.raises(Unavailable):
            await bus.publish(message(1))
        await until(lambda: bus._out.why)
        await asyncio.sleep(1.0)
        with pytest.raises(Unavailable, match="refuses the user name, the password"):
            await bus.check()
    assert [entry["event"] for entry in logs].count("bus.trouble") == 1
    assert "no-such-password" not in str(logs)
    await bus.close()


async def test_what_is_published_confirmed_returned_handled_and_dead_is_counted(rabbitmq_url):
    registry = CollectorRegistry()
    bus = open_at(rabbitmq_url, registry, delivery_limit=0)

    async def fail(_message):
        raise ValueError("always")

    await bus.subscribe("events.*", fail, group="workers")
    await bus.publish(message(1, "events.some.name"))
    await bus.publish(message(2, "nobody"))
    await dead(bus, 1)
    value = registry.get_sample_value
    while value("bus_dead_letters") != 1:  # the reader gives back what it held a moment later
        await asyncio.sleep(0.02)
        await bus.check()
    assert value("bus_published_total", {"topic": "events"}) == 1
    assert value("bus_confirmed_total", {"topic": "events"}) == 1
    assert value("bus_returned_total", {"topic": "nobody"}) == 1
    assert value("bus_handled_total", {"topic": "events", "outcome": "failed"}) == 1
    assert value("bus_dead_total", {"topic": "events"}) == 1
    await bus.close()
