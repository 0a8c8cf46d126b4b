"""Sessions in use: who has one, from the sign-in to its end."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

from quarterdeck.common.database import Database
from quarterdeck.common.identity import Principal
from quarterdeck.gateway.keys.format import Format
from quarterdeck.gateway.sessions import store
from quarterdeck.gateway.sessions.store import Session


class Sessions:
    """Turns cookies into principals.

    Args:
        pepper: the secret under which keys are sealed; sessions have one that follows from it.
        lasts: seconds from a sign-in to the next.
        now: seconds since 1970.
    """

    def __init__(self, database: Database, pepper: bytes, lasts: float, now: Callable[[], float]) -> None:
        self.lasts = lasts
        self._database = database
        self._format = Format("qds_", hmac.digest(pepper, b"browser-sessions", hashlib.sha256))
        self._now = now

    def knows(self, token: str) -> bool:
        """True for what looks like a session; nobody else is asked about it."""
        return token.startswith(self._format.prefix)

    async def principal(self, token: str) -> Principal | None:
        """Returns who is signed in; None if nobody is, any more. Raises Unavailable."""
        shown = self._format.read(token)
        found = await self._database.read(store.find, shown.id) if shown is not None else None
        if shown is None or found is None or not hmac.compare_digest(found.proof, shown.proof):
            return None
        return found.holder() if self._now() < found.expires_at else None

    async def open(self, principal: Principal) -> str:
        """Returns what a browser shows from now on."""
        token, kept = self._format.make()
        now = self._now()
        who = (principal.subject, principal.groups, principal.tenant)
        await self._database.write(store.add, Session(kept.id, kept.proof, *who, now, now + self.lasts))
        return token

    async def end(self, token: str) -> None:
        """Nobody is signed in by this any more."""
        shown = self._format.read(token)
        if shown is not None:
            await self._database.write(store.remove, shown.id)
