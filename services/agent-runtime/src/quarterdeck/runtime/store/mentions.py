"""Which artifacts are named by what is kept: a search through everything that can name one, page by page."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Table, select, tuple_

from quarterdeck.common.database import within
from quarterdeck.runtime.store.packing import content
from quarterdeck.runtime.tables import APPROVALS, ARCHIVES, INBOX, JOURNAL, RUNS, SNAPSHOTS

ROWS = 1000
_DIGEST = re.compile(rb"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Place:
    """A table that can name artifacts: its key, and the columns with content."""

    table: Table
    key: tuple[str, ...]
    content: tuple[str, ...]
    unpack: Callable[[bytes], bytes] = bytes


# In the order in which content moves through them, so that what moves during the search is still met.
PLACES = (
    Place(INBOX, ("id",), ("data",)),
    Place(SNAPSHOTS, ("run_id",), ("state",)),
    Place(JOURNAL, ("run_id", "seq"), ("data",), content),
    Place(ARCHIVES, ("run_id", "last_seq"), ("events",), zlib.decompress),
    Place(RUNS, ("run_id",), ("input", "output", "error")),
    Place(APPROVALS, ("approval_id",), ("data", "answer")),
)


def digests_in(data: bytes) -> set[str]:
    """Returns every artifact digest that occurs in `data`."""
    return {found.decode() for found in _DIGEST.findall(data)}


def search(
    connection: Connection, tenant_id: str, place: Place, after: tuple[Any, ...]
) -> tuple[set[str], tuple[Any, ...]]:
    """Returns the digests in one page of rows, and the key to go on after; an empty one at the end."""
    within(connection, tenant_id)
    columns = place.table.c
    key = [columns[name] for name in place.key]
    query = select(*key, *(columns[name] for name in place.content)).where(columns.tenant_id == tenant_id)
    if after:
        query = query.where(_beyond(key, after))
    rows = connection.execute(query.order_by(*key).limit(ROWS)).all()
    found: set[str] = set()
    for row in rows:
        for data in _contents(row[len(key) :]):
            found |= digests_in(place.unpack(data))
    return found, tuple(rows[-1][: len(key)]) if len(rows) == ROWS else ()


def _beyond(key: list[Column[Any]], after: tuple[Any, ...]) -> Any:
    return tuple_(*key) > tuple_(*after) if len(key) > 1 else key[0] > after[0]


def _contents(values: Iterable[Any]) -> list[bytes]:
    return [bytes(value) for value in values if value]
