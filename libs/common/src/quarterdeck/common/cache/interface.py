"""What services need of a cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Cache(Protocol):
    """Values are bytes. Nothing but `check` raises: a cache that is away has nothing and keeps nothing."""

    async def get(self, key: str) -> bytes | None:
        """Returns the value, or None when there is none (any more)."""

    async def get_many(self, keys: list[str]) -> list[bytes | None]:
        """Returns the values in the order of `keys`."""

    async def set(self, key: str, value: bytes, ttl: float) -> None:
        """Keeps `value` for `ttl` seconds at most."""

    async def delete(self, *keys: str) -> None:
        """Forgets."""

    async def increment(self, key: str, ttl: float) -> int:
        """Adds one to a counter that lives for `ttl` seconds from its first use.

        While the cache is away it counts in this process alone. So a counter may begin anew: it may
        save work or answer sooner, but it must not be the only thing that keeps something from being
        done twice.
        """

    async def run_script(self, script: str, keys: Sequence[str], args: Sequence[int]) -> list[int] | None:
        """Returns the numbers that a script answers; None while there is no server to run it on."""

    async def check(self) -> None:
        """Raises Unavailable if the cache does not answer."""

    async def close(self) -> None:
        """Closes connections."""


def key(tenant_id: str, *parts: str) -> str:
    """Returns the key of something that belongs to a tenant."""
    return ":".join(("qd", tenant_id, *parts))
