"""The cache: over fakeredis and over a real Redis the same; away, it has nothing and keeps nothing."""

import asyncio
import time

import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from structlog.testing import capture_logs

from hack.services import KINDS
from hack.services.proxy import Proxy
from quarterdeck.common.cache import key, open_cache
from quarterdeck.common.cache.local_counters import MOST, LocalCounters
from quarterdeck.common.cache.redis_cache import CALL_SECONDS, MOST_CONNECTIONS, PAUSE_SECONDS
from quarterdeck.common.errors import Unavailable
from quarterdeck.common.ids import uuid7


@pytest.fixture(params=["memory", "redis"])
async def cache(request):
    url = "memory://" if request.param == "memory" else request.getfixturevalue("redis_url")
    opened = open_cache(url)
    yield opened
    await opened.close()


def name():
    return key(uuid7(), "test")


async def test_what_is_set_is_there_for_its_time(cache):
    one, other = name(), name()
    await cache.set(one, b"\x00v", 0.2)
    assert await cache.get(one) == b"\x00v"
    assert await cache.get_many([other, one]) == [None, b"\x00v"]
    assert await cache.get_many([]) == []
    await asyncio.sleep(0.25)
    assert await cache.get(one) is None


async def test_what_is_deleted_is_gone(cache):
    one, other = name(), name()
    await cache.set(one, b"1", 60)
    await cache.increment(other, 60)
    await cache.delete(one, other)
    await cache.delete()
    assert await cache.get(one) is None
    assert await cache.increment(other, 60) == 1


async def test_a_counter_counts_from_its_first_use(cache):
    counter = name()
    counts = await asyncio.gather(*(cache.increment(counter, 0.4) for _ in range(20)))
    assert sorted(counts) == list(range(1, 21))
    await asyncio.sleep(0.2)
    assert await cache.increment(counter, 0.4) == 21
    await asyncio.sleep(0.25)
    assert await cache.increment(counter, 0.4) == 1


async def test_a_well_cache_says_so(cache):
    await cache.check()
    await cache.get(name())
    await cache.check()


async def test_more_callers_than_connections_take_turns(redis_url):
    cache = open_cache(redis_url)
    counter = name()
    counts = await asyncio.gather(*(cache.increment(counter, 60) for _ in range(10 * MOST_CONNECTIONS)))
    assert sorted(counts) == list(range(1, 10 * MOST_CONNECTIONS + 1))
    client = Redis.from_url(redis_url)
    assert len(await client.client_list()) <= MOST_CONNECTIONS + 5
    await client.aclose()
    await cache.close()


async def test_a_flushed_cache_has_nothing(redis_url):
    cache, one = open_cache(redis_url), name()
    await cache.set(one, b"1", 60)
    client = Redis.from_url(redis_url)
    await client.delete(one)
    await client.aclose()
    assert await cache.get(one) is None
    await cache.check()
    await cache.close()


async def test_a_cut_connection_is_made_again_at_once(redis_url):
    async with Proxy(redis_url) as proxy:
        cache, one = open_cache(proxy.url), name()
        await cache.set(one, b"1", 60)
        proxy.cut()
        assert await cache.get(one) == b"1"
        await cache.close()


async def test_a_cache_that_is_away_has_nothing_and_comes_back(tmp_path_factory):
    parent = tmp_path_factory.mktemp("redis")
    for folder in (parent, parent.parent, parent.parent.parent):
        folder.chmod(0o711)
    server = await asyncio.to_thread(KINDS["redis"].create, parent)
    registry = CollectorRegistry()
    cache, one = open_cache(server.url, registry), name()
    try:
        await cache.set(one, b"1", 60)
        await asyncio.to_thread(server.kill)
        with capture_logs() as logs:
            assert await cache.get(one) is None
            assert await cache.get_many([one, one]) == [None, None]
            await cache.set(one, b"2", 60)
            await cache.delete(one)
            assert [await cache.increment(one, 60) for _ in range(3)] == [1, 2, 3]
            with pytest.raises(Unavailable, match="does not answer"):
                await cache.check()
        assert [entry["event"] for entry in logs] == ["cache.trouble"]
        assert registry.get_sample_value("cache_failures_total") == 7
        await asyncio.to_thread(server.start)
        await asyncio.sleep(PAUSE_SECONDS)
        with capture_logs() as logs:
            await cache.set(one, b"3", 60)
            assert await cache.get(one) == b"3"
        assert [entry["event"] for entry in logs] == ["cache.recovered"]
        await cache.check()
    finally:
        await asyncio.to_thread(server.remove)
        await cache.close()


async def test_a_cache_that_says_nothing_delays_one_call_not_all(redis_url):
    async with Proxy(redis_url) as proxy:
        cache, one = open_cache(proxy.url), name()
        await cache.set(one, b"1", 60)
        proxy.stall(True)
        began = time.monotonic()
        assert await cache.get(one) is None
        assert time.monotonic() - began < CALL_SECONDS + 0.5
        began = time.monotonic()
        for _ in range(20):
            assert await cache.get(one) is None
        assert time.monotonic() - began < 0.1
        proxy.stall(False)
        await asyncio.sleep(PAUSE_SECONDS)
        assert await cache.get(one) == b"1", "and no answer of an earlier question"
        await cache.close()


async def test_a_wrong_password_is_said_without_it(redis_url):
    cache = open_cache(redis_url.replace("redis://:", "redis://:wrong-secret-"))
    assert await cache.get("x") is None
    with pytest.raises(Unavailable) as caught:
        await cache.check()
    assert "password" in caught.value.message and "wrong-secret" not in caught.value.message
    await cache.close()


def test_counters_of_this_process_are_bounded_and_end():
    counters = LocalCounters()
    assert [counters.increment("a", 60), counters.increment("a", 60)] == [1, 2]
    assert counters.increment("b", -1) == 1
    assert counters.increment("b", 60) == 1
    for n in range(MOST):
        counters.increment(f"n{n}", 60)
    assert counters.increment("a", 60) == 1
    counters.delete("a")
    assert counters.increment("a", 60) == 1
