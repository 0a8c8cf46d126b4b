"""When each tool server was used last, by any replica of the manager."""

from __future__ import annotations

from sqlalchemy import Connection, select

from quarterdeck.common.database import within
from quarterdeck.common.database.upserts import insert_or_update
from quarterdeck.mcp.store import tool_server_uses


def note(connection: Connection, tenant_id: str, server: str, at: float) -> None:
    """Records that a server was used; an earlier time than the one on record changes nothing."""
    known = last(connection, tenant_id, server)
    if known is None or known < at:
        values = {"tenant_id": tenant_id, "server": server, "used_at": at}
        insert_or_update(connection, tool_server_uses, ("tenant_id", "server"), values)


def last(connection: Connection, tenant_id: str, server: str) -> float | None:
    """Returns when a server was used last, in seconds of Unix time; None if that is not on record."""
    within(connection, tenant_id)
    c = tool_server_uses.c
    mine = select(c.used_at).where(c.tenant_id == tenant_id, c.server == server)
    found = connection.execute(mine).scalar_one_or_none()
    return None if found is None else float(found)
