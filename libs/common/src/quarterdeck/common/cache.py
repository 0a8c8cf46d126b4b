"""A cache with time-outs. What it holds may vanish at any time.

Keys carry the tenant's id: `Cache.key(tenant_id, "embedding", digest)`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from quarterdeck.common.errors import Unavailable

if TYPE_CHECKING:
    from redis.asyncio import Redis


class Cache(Protocol):
    """What services need of a cache. Values are bytes."""

    async def get(self, key: str) -> bytes | None:
        """Returns the value, or None when there is none (any more)."""

    async def get_many(self, keys: list[str]) -> list[bytes | None]:
        """Returns the values in the order of `keys`."""

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        """Keeps `value` for `ttl` seconds at most."""

    async def delete(self, *keys: str) -> None:
        """Forgets."""

    async def increment(self, key: str, ttl: float) -> int:
        """Adds one to a counter that lives for `ttl` seconds from its first use."""

    async def check(self) -> None:
        """Raises Unavailable if the cache does not answer."""

    async def close(self) -> None:
        """Closes connections."""


def key(tenant_id: str, *parts: str) -> str:
    """Returns the key of something that belongs to a tenant."""
    return ":".join(("qd", tenant_id, *parts))


class RedisCache:
    """A cache over the Redis protocol; in process it is a Redis that lives in memory."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: Redis | None = None
        self._opening = asyncio.Lock()

    async def _redis(self) -> Any:
        """Returns the client; made on first use, and imported in a thread since that takes a while."""
        if self._client is None:
            async with self._opening:
                if self._client is None:
                    self._client = await asyncio.to_thread(_make_client, self._url)
        return self._client

    async def get(self, key: str) -> bytes | None:
        """See `Cache.get`."""
        value: bytes | None = await (await self._redis()).get(key)
        return value

    async def get_many(self, keys: list[str]) -> list[bytes | None]:
        """See `Cache.get_many`."""
        if not keys:
            return []
        values: list[bytes | None] = await (await self._redis()).mget(keys)
        return values

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        """See `Cache.set`."""
        await (await self._redis()).set(key, value, px=max(1, int(ttl * 1000)))

    async def delete(self, *keys: str) -> None:
        """See `Cache.delete`."""
        if keys:
            await (await self._redis()).delete(*keys)

    async def increment(self, key: str, ttl: float) -> int:
        """See `Cache.increment`."""
        count = int(await (await self._redis()).incr(key))
        if count == 1:
            await (await self._redis()).pexpire(key, max(1, int(ttl * 1000)))
        return count

    async def check(self) -> None:
        """See `Cache.check`."""
        if self._client is None and self._url.startswith("memory://"):
            return  # it is in this process and was not needed yet: nothing can be away
        try:
            await (await self._redis()).ping()
        except Exception as error:
            raise Unavailable(f"the cache does not answer: {error}") from error

    async def close(self) -> None:
        """See `Cache.close`."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None


def _make_client(url: str) -> Redis:
    if url.startswith("memory://"):
        from fakeredis import FakeAsyncRedis

        fake: Redis = FakeAsyncRedis()
        return fake
    from redis.asyncio import Redis

    return Redis.from_url(url)


def open_cache(url: str) -> Cache:
    """Opens the cache at `url`: `memory://`, `redis://…` or `rediss://…`."""
    if url.split("://", 1)[0] not in {"memory", "redis", "rediss", "unix"}:
        raise Unavailable(f"no adapter for the cache URL {url.split(':', 1)[0]}://…", field="cache_url")
    return RedisCache(url)
