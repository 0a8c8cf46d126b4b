"""Journals in archived form: pages of events, compressed, in place of a row for each event."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select

from quarterdeck.common import codec
from quarterdeck.common.database import within
from quarterdeck.common.prepared import Prepared
from quarterdeck.runtime.store import packing
from quarterdeck.runtime.tables import ARCHIVES, JOURNAL

RETENTION, IMPORT = "retention", "import"
PAGE = 500
# One entry: sequence number, type, its data as JSON text, Unix time.
Entry = tuple[int, str, str, float]


_PAGES = Prepared(
    select(ARCHIVES.c.events)
    .where(
        ARCHIVES.c.run_id == bindparam("b_run"),
        ARCHIVES.c.last_seq > bindparam("b_after"),
        ARCHIVES.c.tenant_id == bindparam("b_tenant"),
    )
    .order_by(ARCHIVES.c.last_seq)
    .limit(bindparam("b_limit"))
)


def pack(entries: Sequence[Entry]) -> bytes:
    """Returns a page of entries, compressed."""
    return zlib.compress(codec.dumps(entries))


def unpack(page: bytes) -> list[Entry]:
    """Returns the entries of a page."""
    return [(seq, kind, data, at) for seq, kind, data, at in codec.loads(zlib.decompress(page))]


def pages(
    tenant_id: str, run_id: str, origin: str, entries: Sequence[Entry], now: float
) -> list[dict[str, Any]]:
    """Returns the rows of a whole journal in archived form; there is one for a journal without events too."""
    parts = [entries[at : at + PAGE] for at in range(0, len(entries), PAGE)] or [[]]
    return [
        {
            "run_id": run_id,
            "last_seq": part[-1][0] if part else 0,
            "tenant_id": tenant_id,
            "origin": origin,
            "archived_at": now,
            "events": pack(part),
        }
        for part in parts
    ]


def read(connection: Connection, tenant_id: str, run_id: str, after: int, limit: int) -> list[Entry]:
    """Returns up to `limit` archived entries with a sequence number above `after`, in order."""
    within(connection, tenant_id)
    place = {"b_run": run_id, "b_tenant": tenant_id, "b_after": after, "b_limit": limit // PAGE + 2}
    return [
        entry for (page,) in _PAGES.rows(connection, place) for entry in unpack(page) if entry[0] > after
    ][:limit]


def read_all(connection: Connection, tenant_id: str, run_id: str) -> Iterator[Entry]:
    """Yields the entries of an archived journal, in order."""
    within(connection, tenant_id)
    query = select(ARCHIVES.c.events).where(ARCHIVES.c.run_id == run_id, ARCHIVES.c.tenant_id == tenant_id)
    for page in connection.execute(query.order_by(ARCHIVES.c.last_seq)).scalars():
        yield from unpack(page)


def origins(connection: Connection, tenant_id: str, run_ids: Sequence[str]) -> dict[str, str]:
    """Returns why runs are archived, of those that are."""
    within(connection, tenant_id)
    mine = (ARCHIVES.c.tenant_id == tenant_id) & ARCHIVES.c.run_id.in_(run_ids)
    found = connection.execute(select(ARCHIVES.c.run_id, ARCHIVES.c.origin).where(mine).distinct())
    return {row.run_id: row.origin for row in found}


def archive(connection: Connection, tenant_id: str, run_id: str, now: float) -> int:
    """Moves a journal into archived form. Returns how many events it has."""
    within(connection, tenant_id)
    mine = (JOURNAL.c.run_id == run_id) & (JOURNAL.c.tenant_id == tenant_id)
    query = select(JOURNAL.c.seq, JOURNAL.c.type, JOURNAL.c.data, JOURNAL.c.at).where(mine)
    rows = connection.execute(query.order_by(JOURNAL.c.seq)).all()
    recorded = [entry for row in rows for entry in packing.entries(*row)]
    entries: list[Entry] = [(entry.seq, entry.type, entry.data.decode(), entry.at) for entry in recorded]
    connection.execute(insert(ARCHIVES), pages(tenant_id, run_id, RETENTION, entries, now))
    connection.execute(delete(JOURNAL).where(mine))
    return len(entries)


def forget(connection: Connection, tenant_id: str, run_ids: Sequence[str]) -> None:
    """Removes archived journals for good."""
    within(connection, tenant_id)
    mine = (ARCHIVES.c.tenant_id == tenant_id) & ARCHIVES.c.run_id.in_(run_ids)
    connection.execute(delete(ARCHIVES).where(mine))
