"""The tools of servers with pods as they were listed last: a manager that starts need not wake who sleeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select

from quarterdeck.common import codec
from quarterdeck.common.database import Database, within
from quarterdeck.common.database.upserts import insert_or_update
from quarterdeck.common.errors import QuarterdeckError
from quarterdeck.mcp.definition import Definition, Pods
from quarterdeck.mcp.store import tool_listings


def keep(connection: Connection, tenant_id: str, server: str, digest: str, tools_json: bytes) -> None:
    """Records the tools of a server whose pods run what `digest` says, in place of an earlier record."""
    within(connection, tenant_id)
    values = {"tenant_id": tenant_id, "server": server, "digest": digest, "tools_json": tools_json}
    insert_or_update(connection, tool_listings, ("tenant_id", "server"), values)


def find(connection: Connection, tenant_id: str, server: str, digest: str) -> bytes | None:
    """Returns what is on record of a server, None if that is nothing, or of pods that ran something else."""
    within(connection, tenant_id)
    c = tool_listings.c
    mine = (c.tenant_id == tenant_id, c.server == server, c.digest == digest)
    found = connection.execute(select(c.tools_json).where(*mine)).scalar_one_or_none()
    return None if found is None else bytes(found)


class Listings:
    """The records of servers that may sleep; of others nothing is kept, for they can be asked."""

    def __init__(self, database: Database, log: Any) -> None:
        self._database = database
        self._log = log

    async def find(self, definition: Definition) -> list[dict[str, Any]] | None:
        """Returns the tools as they came over the wire, None if they have to be asked for."""
        pods = _sleeper(definition)
        if pods is None:
            return None
        try:
            found = await self._database.read(find, definition.tenant_id, definition.name, pods.digest)
        except QuarterdeckError as error:
            self._log.info("tools.not_read", server=definition.name, reason=error.message)
            return None
        return None if found is None else list(codec.loads(found))

    async def keep(self, definition: Definition, listed: Sequence[dict[str, Any]]) -> None:
        """Records the tools. Never raises: without the record a server is woken once more."""
        pods = _sleeper(definition)
        if pods is None:
            return
        row = (definition.tenant_id, definition.name, pods.digest, codec.dumps(list(listed)))
        try:
            await self._database.write(keep, *row)
        except QuarterdeckError as error:
            self._log.info("tools.not_recorded", server=definition.name, reason=error.message)


def _sleeper(definition: Definition) -> Pods | None:
    where = definition.where
    return where if isinstance(where, Pods) and where.idle_after else None
