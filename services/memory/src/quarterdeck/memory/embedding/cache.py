"""Vectors that were computed before: by tenant, provider, model and text."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Sequence

from quarterdeck.memory.cache import FirstLevelCache, Region
from quarterdeck.memory.embedding.provider import EmbeddingProvider, identity


class CachedEmbedding:
    """Embeds texts for a tenant, asking the provider only for those not seen before."""

    def __init__(self, cache: FirstLevelCache) -> None:
        self._cache = cache

    async def embed(
        self, tenant_id: str, provider: EmbeddingProvider, texts: Sequence[str]
    ) -> list[array[float]]:
        """Returns a vector for each text, in order. Raises what the provider raises."""
        if not provider.cacheable:
            return await provider.embed(texts)
        names = [cache_name(provider, text) for text in texts]
        known = await self._cache.get_many(Region.EMBEDDING, tenant_id, names)
        missing = list(dict.fromkeys(text for text, value in zip(texts, known, strict=True) if value is None))
        fresh = dict(zip(missing, await provider.embed(missing), strict=True)) if missing else {}
        for text, vector in fresh.items():
            await self._cache.set(Region.EMBEDDING, tenant_id, cache_name(provider, text), vector.tobytes())
        return [
            fresh[text] if value is None else array("f", value)
            for text, value in zip(texts, known, strict=True)
        ]


def cache_name(provider: EmbeddingProvider, text: str) -> str:
    """Returns the name of a text's vector in the cache."""
    return f"{identity(provider)}:{hashlib.sha256(text.encode()).hexdigest()}"
