"""Looks at what is ready, without claiming any of it: what has come since, and which strands there are.

Neither passes rows that were claimed before: on PostgreSQL those stay in an index as long as any old
transaction is open, and a claim that had to pass them would cost more and more.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

from quarterdeck.common.prepared import Prepared
from quarterdeck.runtime.claims.ring import Sighting, Strand
from quarterdeck.runtime.constants import READABLE_VERSION, SUSPECT_ATTEMPTS

# Written out as in the indexes' own condition; parameters would hide that it applies.
FRESH = f"status = 'ready' AND attempts < {SUSPECT_ATTEMPTS}"
SUSPECT = f"status = 'ready' AND attempts >= {SUSPECT_ATTEMPTS}"
# And one that this worker can fold.
CLAIMABLE = f"{FRESH} AND version <= {READABLE_VERSION}"
LEAST_PRIORITY = -(1 << 31)
# Runs that one look at what has come reads, and strands that one look at those there are finds.
ARRIVALS = 500
STRANDS = 50

# Where looking at arrivals goes on: time, tenant, lane, priority.
Place = tuple[float, str, str, int]


def _prepared(query: str) -> Prepared:
    return Prepared(text(query))


_ARRIVALS = _prepared(
    f"""
    WITH page AS (
        SELECT tenant_id, lane, priority, ready_at, lane_limit FROM run_queue
        WHERE {FRESH} AND (ready_at, tenant_id, lane, priority) > (:at, :tenant, :lane, :priority)
        AND ready_at <= :now
        ORDER BY ready_at, tenant_id, lane, priority LIMIT {ARRIVALS}
    )
    SELECT tenant_id, lane, priority, min(ready_at), min(lane_limit), max(ready_at), count(*)
    FROM page GROUP BY tenant_id, lane, priority
    """
)
_ORDER = "tenant_id, lane, priority"
# From the head of one strand to the head of the next, each a descent of the index.
_STRANDS = _prepared(
    f"""
    WITH RECURSIVE head(run_id, place) AS (
        SELECT (
            SELECT run_id FROM run_queue WHERE {FRESH} AND ({_ORDER}) > (:tenant, :lane, :priority)
            ORDER BY {_ORDER}, ready_at LIMIT 1
        ), 1
        UNION ALL
        SELECT (
            SELECT n.run_id FROM run_queue AS n
            WHERE n.status = 'ready' AND n.attempts < {SUSPECT_ATTEMPTS}
            AND (n.tenant_id, n.lane, n.priority) > (q.tenant_id, q.lane, q.priority)
            ORDER BY n.tenant_id, n.lane, n.priority, n.ready_at LIMIT 1
        ), head.place + 1
        FROM head JOIN run_queue AS q ON q.run_id = head.run_id WHERE head.place < {STRANDS}
    )
    SELECT q.tenant_id, q.lane, q.priority, q.ready_at, q.lane_limit
    FROM head JOIN run_queue AS q ON q.run_id = head.run_id ORDER BY head.place
    """
)
_NEXT_DUE = _prepared(
    f"SELECT ready_at FROM run_queue WHERE {FRESH} AND ready_at > :now ORDER BY ready_at LIMIT 1"
)
_SUSPECT = _prepared(f"SELECT 1 FROM run_queue WHERE {SUSPECT} AND ready_at <= :now LIMIT 1")


@dataclass(frozen=True, slots=True)
class Sight:
    """What a look found.

    Attributes:
        last: where looking at arrivals goes on when there were more than one look reads, else None.
        patrolled: the last strand, when there are more than one look finds, else None.
        strands: how many were found by looking at those there are.
        due: when the next run that is no suspect becomes ready (Unix time), None when none will.
        suspects: there are suspects that are ready.
    """

    found: list[Sighting]
    last: Place | None
    patrolled: Strand | None
    strands: int
    due: float | None
    suspects: bool


def look(connection: Connection, since: Place, patrol: Strand | None, now: float) -> Sight:
    """Looks at what became ready after `since`, and at the strands after `patrol` if that is not None."""
    arrived, last = _arrivals(connection, since, now)
    strands, patrolled = _strands(connection, patrol) if patrol is not None else ([], None)
    due = _NEXT_DUE.scalar(connection, {"now": now})
    suspects = _SUSPECT.first(connection, {"now": now}) is not None
    found = arrived + [sighting for sighting in strands if sighting.since <= now]
    return Sight(found, last, patrolled, len(strands), due, suspects)


def _arrivals(connection: Connection, since: Place, now: float) -> tuple[list[Sighting], Place | None]:
    at, tenant, lane, priority = since
    values = {"at": at, "tenant": tenant, "lane": lane, "priority": priority, "now": now}
    rows = _ARRIVALS.rows(connection, values)
    found = [Sighting(Strand(*row[:3]), row[3], row[4]) for row in rows]
    if sum(row[6] for row in rows) < ARRIVALS:
        return found, None
    # Of several at the last moment any will do: the others are read once more.
    return found, max((row[5], *row[:3]) for row in rows)


def _strands(connection: Connection, after: Strand) -> tuple[list[Sighting], Strand | None]:
    rows = _STRANDS.rows(connection, _values(after))
    found = [Sighting(Strand(*row[:3]), row[3], row[4]) for row in rows]
    return found, found[-1].strand if len(found) == STRANDS else None


def _values(strand: Strand) -> dict[str, object]:
    return {"tenant": strand.tenant_id, "lane": strand.lane, "priority": strand.priority}
