"""How often an address may come with a credential that lets nobody in."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from time import monotonic

from quarterdeck.common.errors import Unauthenticated
from quarterdeck.common.identity import Principal
from quarterdeck.common.rates.allowance import Allowance, Taken
from quarterdeck.common.rates.shared import SharedBuckets
from quarterdeck.gateway.edges.addresses import bucket_of
from quarterdeck.gateway.edges.limits import ADDRESS, RateLimited

# So much is remembered of either.
MOST = 10_000

Look = Callable[[str], Awaitable[Principal]]


class FailedProofs:
    """Counts failures by address. Over the limit, only credentials that were good before are looked at.

    So guessing costs us less and less, and whoever shares an address with a guesser goes on working.

    Args:
        per_minute: failures that are looked at; 0: any number.
        refused: called with the scope of each refusal.
    """

    def __init__(
        self,
        buckets: SharedBuckets,
        per_minute: int,
        refused: Callable[[str], None],
        now: Callable[[], float] = monotonic,
    ) -> None:
        self._buckets = buckets
        self._per_minute = per_minute
        self._refused = refused
        self._now = now
        self._good: OrderedDict[bytes, None] = OrderedDict()
        self._shut: OrderedDict[str, tuple[float, Taken]] = OrderedDict()

    async def prove(self, address: str, credential: str, look: Look) -> Principal:
        """Returns whose a credential is.

        Raises:
            Unauthenticated: nobody's; that is counted.
            RateLimited: the address has failed too often.
        """
        self.check(address, credential)
        try:
            principal = await look(credential)
        except Unauthenticated:
            await self.failed(address)
            raise
        self._passed(credential)
        return principal

    def check(self, address: str, credential: str = "") -> None:
        """Raises RateLimited for an address that has failed too often."""
        until, taken = self._shut.get(bucket_of(address), (0.0, None)) if self._shut else (0.0, None)
        if taken is None or until <= self._now() or _digest(credential) in self._good:
            return
        self._refused(ADDRESS)
        raise RateLimited(taken)

    async def failed(self, address: str) -> None:
        """Counts one failure."""
        if not self._per_minute:
            return
        bucket = bucket_of(address)
        taken = await self._buckets.take([Allowance(ADDRESS, f"{ADDRESS}:{bucket}", self._per_minute)])
        if taken.granted:
            return
        self._shut[bucket] = self._now() + taken.wait, taken
        self._shut.move_to_end(bucket)
        if len(self._shut) > MOST:
            self._shut.popitem(last=False)

    def _passed(self, credential: str) -> None:
        """Remembers, by its digest, that a credential was good."""
        if not self._per_minute:
            return
        digest = _digest(credential)
        self._good[digest] = None
        self._good.move_to_end(digest)
        if len(self._good) > MOST:
            self._good.popitem(last=False)


def _digest(credential: str) -> bytes:
    return hashlib.sha256(credential.encode("utf-8", "surrogateescape")).digest()
