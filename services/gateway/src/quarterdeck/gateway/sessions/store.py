"""The table of sessions: functions over a connection. They are people's, and of no tenant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from quarterdeck.common import codec
from quarterdeck.common.identity import Principal
from quarterdeck.gateway.tables import SESSIONS


@dataclass(frozen=True, slots=True)
class Session:
    """A row. Times are seconds since 1970."""

    id: str
    proof: bytes
    principal: str
    groups: tuple[str, ...]
    tenant: str
    created_at: float
    expires_at: float

    def holder(self) -> Principal:
        """Returns who is signed in."""
        return Principal(self.principal, self.groups, self.tenant)


def add(connection: Connection, session: Session) -> None:
    """Keeps a session; what is over goes."""
    connection.execute(delete(SESSIONS).where(SESSIONS.c.expires_at <= session.created_at))
    values = {name: getattr(session, name) for name in Session.__slots__ if name != "groups"}
    connection.execute(insert(SESSIONS).values(**values, groups_json=codec.dumps(list(session.groups))))


def find(connection: Connection, session_id: str) -> Session | None:
    """Returns a session by its id."""
    row = connection.execute(select(SESSIONS).where(SESSIONS.c.id == session_id)).mappings().first()
    return _session(row) if row is not None else None


def remove(connection: Connection, session_id: str) -> None:
    """Ends a session."""
    connection.execute(delete(SESSIONS).where(SESSIONS.c.id == session_id))


def _session(row: Mapping[Any, Any]) -> Session:
    groups = tuple(codec.loads(row["groups_json"]))
    return Session(**{name: row[name] for name in Session.__slots__ if name != "groups"}, groups=groups)
