"""A cache. What it holds may vanish at any time, and it may be away: both make requests slower, never wrong.

Keys carry the tenant's id: `key(tenant_id, "embedding", digest)`.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from quarterdeck.common.cache.interface import Cache, key
from quarterdeck.common.cache.redis_cache import RedisCache
from quarterdeck.common.errors import Unavailable

__all__ = ["Cache", "RedisCache", "key", "open_cache"]


def open_cache(url: str, registry: CollectorRegistry | None = None) -> Cache:
    """Opens the cache at `url`: `memory://`, `redis://…`, `rediss://…`, `unix://…`. Connects on first use."""
    if url.split("://", 1)[0] not in {"memory", "redis", "rediss", "unix"}:
        raise Unavailable(f"no adapter for the cache URL {url.split(':', 1)[0]}://…", field="cache_url")
    return RedisCache(url, registry)
