"""Allowances: the same in this process and in Redis, all or nothing, and bounded when Redis is away."""

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hack.services.proxy import Proxy
from quarterdeck.common.cache import open_cache
from quarterdeck.common.cache.redis_cache import CALL_SECONDS
from quarterdeck.common.ids import uuid7
from quarterdeck.common.rates.allowance import WINDOW, Allowance, spend
from quarterdeck.common.rates.local import MOST, LocalBuckets
from quarterdeck.common.rates.shared import SharedBuckets


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Local:
    def __init__(self):
        self.buckets = LocalBuckets()

    async def take(self, allowances):
        return self.buckets.take(allowances)


@pytest.fixture(params=["local", "redis"])
async def buckets(request):
    if request.param == "local":
        yield Local()
        return
    cache = open_cache(request.getfixturevalue("redis_url"))
    yield SharedBuckets(cache)
    await cache.close()


def allowance(per_minute, key=""):
    return Allowance("principal", key or uuid7(), per_minute)


async def test_a_minutes_worth_at_once_and_no_more(buckets):
    five = allowance(5)
    answers = [await buckets.take([five]) for _ in range(6)]
    assert [one.granted for one in answers] == [True] * 5 + [False]
    assert [one.levels[0].remaining for one in answers] == [4, 3, 2, 1, 0, 0]
    assert 11 < answers[-1].wait <= 12
    assert 59 < answers[-1].levels[0].reset <= 60
    assert answers[0].wait == 0


async def test_it_fills_steadily(buckets):
    many = allowance(600)
    for _ in range(600):
        await buckets.take([many])
    while (await buckets.take([many])).granted:
        pass
    await asyncio.sleep(0.11)
    assert (await buckets.take([many])).granted


async def test_all_or_nothing(buckets):
    scarce, plenty = allowance(1), allowance(10)
    assert (await buckets.take([scarce, plenty])).granted
    refused = await buckets.take([scarce, plenty])
    assert not refused.granted
    assert refused.short.allowance is scarce
    assert refused.levels[1].remaining == 9
    assert (await buckets.take([plenty])).levels[0].remaining == 8


async def test_many_at_once_get_exactly_what_there_is(buckets):
    ten = allowance(10)
    answers = await asyncio.gather(*(buckets.take([ten]) for _ in range(40)))
    assert sum(one.granted for one in answers) == 10


def test_nobody_saves_more_than_a_minute():
    clock = Clock()
    buckets, two = LocalBuckets(clock), allowance(2)
    assert buckets.take([two]).granted
    clock.now += 3600
    assert [buckets.take([two]).granted for _ in range(3)] == [True, True, False]
    clock.now += 30
    assert [buckets.take([two]).granted for _ in range(2)] == [True, False]


def test_buckets_are_bounded_and_the_busy_ones_stay():
    buckets, busy = LocalBuckets(Clock()), allowance(2)
    for _ in range(2):
        buckets.take([busy])
    for _ in range(MOST - 1):
        buckets.take([allowance(1)])
    assert not buckets.take([busy]).granted
    assert len(buckets._full_at) == MOST


@given(st.lists(st.tuples(st.integers(0, WINDOW), st.integers(1, 100_000)), min_size=1, max_size=3))
def test_what_is_spent_never_exceeds_the_window(pairs):
    lags, allowances = [lag for lag, _ in pairs], [allowance(rate) for _, rate in pairs]
    granted, after = spend(lags, allowances)
    assert all(lag <= WINDOW for lag in after)
    assert (after != lags) == granted


async def test_without_a_server_this_process_counts():
    cache, two = open_cache("memory://"), allowance(2)
    buckets = SharedBuckets(cache)
    assert [(await buckets.take([two])).granted for _ in range(3)] == [True, True, False]
    assert (await buckets.take([])).granted
    await cache.close()


async def test_a_server_that_says_nothing_leaves_a_limit_and_costs_one_wait(redis_url):
    async with Proxy(redis_url) as proxy:
        cache, three = open_cache(proxy.url), allowance(3)
        buckets = SharedBuckets(cache)
        assert (await buckets.take([three])).granted
        proxy.stall(True)
        began = time.monotonic()
        answers = [(await buckets.take([three])).granted for _ in range(4)]
        assert answers == [True, True, True, False]
        assert time.monotonic() - began < 2 * CALL_SECONDS
        await cache.close()


async def test_a_script_that_the_server_forgot_is_told_again(redis_url):
    from redis.asyncio import Redis

    cache, two = open_cache(redis_url), allowance(2)
    buckets = SharedBuckets(cache)
    await buckets.take([two])
    client = Redis.from_url(redis_url)
    await client.script_flush()
    assert (await buckets.take([two])).levels[0].remaining == 0
    assert [key async for key in client.scan_iter(f"qd:rate:{two.key}")]
    assert 59_000 < await client.pttl(f"qd:rate:{two.key}") <= 60_000
    await client.aclose()
    await cache.close()
