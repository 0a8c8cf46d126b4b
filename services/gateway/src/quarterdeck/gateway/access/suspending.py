"""Who is let in no more, whatever they come with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection, delete, insert, select

from quarterdeck.common.database import Database
from quarterdeck.common.errors import FailedPrecondition, InvalidArgument, NotFound, QuarterdeckError
from quarterdeck.gateway.constants import ADMIN_SUBJECT
from quarterdeck.gateway.tables import SUSPENSIONS

log = structlog.get_logger("access")

# Seconds until a gateway knows of what another one has written.
LOOK_AGAIN = 1.0
LONGEST_NAME, LONGEST_REASON = 512, 1024


@dataclass(frozen=True, slots=True)
class Suspension:
    """A principal that is let in no more: why, by whom, and since when (Unix time)."""

    principal: str
    reason: str
    by: str
    since: float


def write(connection: Connection, wish: Suspension) -> Suspension:
    """Suspends a principal; of one that is suspended already, nothing changes."""
    found = _find(connection, wish.principal)
    if found is None:
        values = {name: getattr(wish, name) for name in Suspension.__slots__}
        connection.execute(insert(SUSPENSIONS).values(**values))
    return found or wish


def remove(connection: Connection, principal: str) -> Suspension | None:
    """Ends a suspension and returns what it was; None if there was none."""
    found = _find(connection, principal)
    connection.execute(delete(SUSPENSIONS).where(SUSPENSIONS.c.principal == principal))
    return found


def listed(connection: Connection) -> list[Suspension]:
    """Returns all, by principal."""
    rows = connection.execute(select(SUSPENSIONS).order_by(SUSPENSIONS.c.principal))
    return [Suspension(*row) for row in rows]


def _find(connection: Connection, principal: str) -> Suspension | None:
    row = connection.execute(select(SUSPENSIONS).where(SUSPENSIONS.c.principal == principal)).one_or_none()
    return Suspension(*row) if row is not None else None


class Suspended:
    """The suspensions as this gateway knows them: its own at once, those of others a second later."""

    def __init__(self, database: Database, now: Callable[[], float]) -> None:
        self._database = database
        self._now = now
        self._known: dict[str, Suspension] = {}

    def has(self, principal: str) -> bool:
        """True for who is suspended."""
        return principal in self._known

    def all(self) -> list[Suspension]:
        """Returns the suspensions, by principal."""
        return sorted(self._known.values(), key=lambda one: one.principal)

    async def load(self) -> None:
        """Reads what is written. Raises QuarterdeckError."""
        self._known = {one.principal: one for one in await self._database.read(listed)}

    async def follow(self) -> None:
        """Reads again and again, until cancelled; while that cannot be, what is known stands."""
        while True:
            await asyncio.sleep(LOOK_AGAIN)
            try:
                await self.load()
            except QuarterdeckError as error:
                log.warning("suspensions.not_read", reason=error.message)

    async def suspend(self, principal: str, reason: str, by: str) -> Suspension:
        """Suspends a principal.

        Raises:
            InvalidArgument: there can be none of that name.
            FailedPrecondition: the local administrator, or whoever asks.
        """
        _check(principal, reason)
        if principal in (ADMIN_SUBJECT, by):
            raise FailedPrecondition(
                f"{principal} would lock out who could restore it",
                field="principal",
                hint="another administrator can, but nobody the local one",
                reason="WouldLockOut",
            )
        found = await self._database.write(write, Suspension(principal, reason, by, self._now()))
        self._known[principal] = found
        log.warning("principal.suspended", principal=principal, by=by, reason=reason)
        return found

    async def restore(self, principal: str, by: str) -> Suspension:
        """Lets a principal in again. Raises NotFound if it is not suspended."""
        found = await self._database.write(remove, principal)
        self._known.pop(principal, None)
        if found is None:
            raise NotFound(f"{principal[:LONGEST_NAME]} is not suspended", field="principal")
        log.warning("principal.restored", principal=principal, by=by)
        return found


def _check(principal: str, reason: str) -> None:
    if not 0 < len(principal) <= LONGEST_NAME or ":" not in principal or not principal.isprintable():
        raise InvalidArgument(
            "a principal has a full name", field="principal", hint="as corp:anna, or account:nightly"
        )
    if len(reason) > LONGEST_REASON:
        raise InvalidArgument(f"at most {LONGEST_REASON} characters", field="reason")
