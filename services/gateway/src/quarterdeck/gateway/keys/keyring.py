"""Keys in use: who comes in by one, as fast as they can be turned away."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable

from quarterdeck.common.authorization.rules import Rule
from quarterdeck.common.database import Database
from quarterdeck.common.errors import NotFound
from quarterdeck.common.identity import Principal
from quarterdeck.common.tenants import TenantDirectory
from quarterdeck.gateway.keys import store
from quarterdeck.gateway.keys.format import PREFIX, Format
from quarterdeck.gateway.keys.scopes import rules_of
from quarterdeck.gateway.keys.store import Key

# Seconds between two writes of when keys were used.
FLUSH = 30.0

Refused = Callable[[str], None]


class Keyring:
    """Turns keys into principals.

    Args:
        pepper: the secret under which keys are sealed and kept.
        refused: called with why one was refused, which only the metrics tell.
        now: seconds since 1970.
    """

    def __init__(
        self,
        database: Database,
        tenants: TenantDirectory,
        pepper: bytes,
        refused: Refused,
        now: Callable[[], float],
    ) -> None:
        self.database = database
        self.tenants = tenants
        self.format = Format(PREFIX, pepper)
        self.now = now
        self._refused = refused
        self._known: dict[str, tuple[Key, tuple[Rule, ...]]] = {}
        self._used: dict[str, float] = {}
        self._writes = 0

    def knows(self, token: str) -> bool:
        """True for what looks like a key; nobody else is asked about it."""
        return token.startswith(PREFIX)

    async def principal(self, token: str) -> Principal | None:
        """Returns whose key it is; None if it lets nobody in. Raises Unavailable."""
        shown = self.format.read(token)
        if shown is None:
            self._refused("malformed")
            return None
        found = await self._find(shown.id)
        if found is None or not hmac.compare_digest(found[0].proof, shown.proof):
            self._refused("unknown")
            return None
        key, rules = found
        why = await self._against(key)
        if why:
            self._refused(why)
            return None
        self._used[key.id] = self.now()
        return key.holder(rules)

    def forget(self, *keys: Key) -> None:
        """Looks at these anew the next time: something was written about them."""
        self._writes += 1
        for key in keys:
            self._known.pop(key.id, None)

    async def flush(self) -> None:
        """Writes when keys were used."""
        times, self._used = self._used, {}
        if times:
            await self.database.write(store.used, times)

    async def keep_flushing(self) -> None:
        """Does so every half minute."""
        while True:
            await asyncio.sleep(FLUSH)
            await self.flush()

    async def _against(self, key: Key) -> str:
        """Returns what is against a key that its holder has; empty if nothing is."""
        if not key.is_live(self.now()):
            return "revoked" if key.revoked_at else "expired"
        return "" if await self._is_of_this_tenant(key) else "foreign"

    async def _find(self, key_id: str) -> tuple[Key, tuple[Rule, ...]] | None:
        """Looks into the database, unless nobody else writes to it and the key was looked up before."""
        known = self._known.get(key_id)
        if known is not None:
            return known
        writes = self._writes
        key = await self.database.read(store.find, key_id)
        if key is None:
            return None
        found = key, rules_of(key.scopes)
        # What was read while it was written may be what was there before.
        if not self.database.shared and writes == self._writes:
            self._known[key_id] = found
        return found

    async def _is_of_this_tenant(self, key: Key) -> bool:
        """False if the tenant is gone, be there another one of its name."""
        try:
            return (await self.tenants.resolve(key.tenant)).id == key.tenant_id
        except NotFound:
            return False
