"""A cache over the Redis protocol; in process it is a Redis that lives in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from prometheus_client import CollectorRegistry, Counter

from quarterdeck.common.cache.local_counters import LocalCounters
from quarterdeck.common.errors import Unavailable
from quarterdeck.common.troubles import Troubles

if TYPE_CHECKING:
    from redis.asyncio import Redis

T = TypeVar("T")

# Seconds that one call may take, connecting included.
CALL_SECONDS = 0.5
# After a failure nothing is asked for so long: a cache that is away must not slow every request down.
PAUSE_SECONDS = 1.0
MOST_CONNECTIONS = 32
_SERVER = "server"


class RedisCache:
    """See `Cache`."""

    def __init__(self, url: str, registry: CollectorRegistry | None = None) -> None:
        self._url = url
        self._client: Redis | None = None
        self._opening = asyncio.Lock()
        self._troubles = Troubles("cache")
        self._ask_again_at = 0.0
        self._counters = LocalCounters()
        self._scripts: dict[str, Any] = {}
        self._failures = Counter(
            "cache_failures_total",
            "Calls that the cache did not answer, or that were not made since it was away.",
            registry=registry or CollectorRegistry(),
        )

    async def get(self, key: str) -> bytes | None:
        """See `Cache.get`."""
        return (await self.get_many([key]))[0]

    async def get_many(self, keys: list[str]) -> list[bytes | None]:
        """See `Cache.get_many`."""
        nothing: list[bytes | None] = [None] * len(keys)
        if not keys:
            return nothing
        return await self._ask(lambda redis: redis.mget(keys), nothing)

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        """See `Cache.set`."""
        await self._ask(lambda redis: redis.set(key, value, px=_milliseconds(ttl)), None)

    async def delete(self, *keys: str) -> None:
        """See `Cache.delete`."""
        self._counters.delete(*keys)
        if keys:
            await self._ask(lambda redis: redis.delete(*keys), None)

    async def increment(self, key: str, ttl: float) -> int:
        """See `Cache.increment`."""
        count = await self._ask(lambda redis: _increment(redis, key, _milliseconds(ttl)), 0)
        return count or self._counters.increment(key, ttl)

    async def run_script(self, script: str, keys: Sequence[str], args: Sequence[int]) -> list[int] | None:
        """See `Cache.run_script`. The Redis in memory runs none."""
        if self._url.startswith("memory://"):
            return None
        answer: list[int] | None = await self._ask(
            lambda redis: self._script(redis, script)(keys, args), None
        )
        return answer

    def _script(self, redis: Any, text: str) -> Any:
        """Returns the script as the server knows it: by its digest, and by its text where it is new."""
        if text not in self._scripts:
            self._scripts[text] = redis.register_script(text)
        return self._scripts[text]

    async def _ask(self, call: Callable[[Any], Awaitable[T]], otherwise: T) -> T:
        """Returns the cache's answer, or `otherwise` when it gives none in time."""
        if time.monotonic() < self._ask_again_at:
            self._failures.inc()
            return otherwise
        try:
            return await self._call(call)
        except Unavailable:
            self._failures.inc()
            return otherwise

    async def _call(self, call: Callable[[Any], Awaitable[T]]) -> T:
        from redis.exceptions import RedisError

        try:
            redis = await self._redis()
            async with asyncio.timeout(CALL_SECONDS):
                answer = await call(redis)
        except (RedisError, OSError, TimeoutError) as error:
            self._ask_again_at = time.monotonic() + PAUSE_SECONDS
            self._troubles.note(_SERVER, f"the cache does not answer: {_say(error)}")
            raise Unavailable(self._troubles.about(_SERVER)) from error
        self._troubles.clear(_SERVER)
        return answer

    async def _redis(self) -> Redis:
        """Returns the client; made on first use, and imported in a thread since that takes a while."""
        if self._client is None:
            async with self._opening:
                if self._client is None:
                    self._client = await asyncio.to_thread(_make_client, self._url)
        return self._client

    async def check(self) -> None:
        """See `Cache.check`."""
        if self._client is None and self._url.startswith("memory://"):
            return  # it is in this process and was not needed yet: nothing can be away
        await self._call(lambda redis: redis.ping())

    async def close(self) -> None:
        """See `Cache.close`."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None


async def _increment(redis: Any, key: str, milliseconds: int) -> int:
    """Counts; the counter has its end from its beginning, whatever happens between the two commands."""
    async with redis.pipeline(transaction=True) as pipeline:
        pipeline.set(key, 0, px=milliseconds, nx=True)
        pipeline.incr(key)
        _, count = await pipeline.execute()
    return int(count)


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))


def _say(error: BaseException) -> str:
    return "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__


def _make_client(url: str) -> Redis:
    if url.startswith("memory://"):
        from fakeredis import FakeAsyncRedis

        fake: Redis = FakeAsyncRedis()
        return fake
    from redis.asyncio import BlockingConnectionPool, Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=MOST_CONNECTIONS,
        timeout=CALL_SECONDS,
        socket_timeout=CALL_SECONDS,
        socket_connect_timeout=CALL_SECONDS,
        retry=Retry(NoBackoff(), 1),  # a connection that the server closed long ago
        health_check_interval=30,
    )
    return Redis.from_pool(pool)
