"""Whose turn it is: a share of every claim goes round the tenants, so that none waits behind another's crowd.

Tenants with ready runs take turns in the order of their ids, one run each, the most urgent; where a claim
ended, this worker's next one goes on. Each turn is a few descents of an index, however many runs there are.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, text

from quarterdeck.runtime.constants import REDUCER_VERSION, SUSPECT_ATTEMPTS

# Written out as in the index's own condition; parameters would hide that it applies.
READY = f"status = 'ready' AND attempts < {SUSPECT_ATTEMPTS}"
_TURNS = f"""
    WITH RECURSIVE turn(tenant_id, place) AS (
        SELECT min(tenant_id), 1 FROM run_queue WHERE {READY} AND tenant_id > :after
        UNION ALL
        SELECT (SELECT min(tenant_id) FROM run_queue WHERE {READY} AND tenant_id > turn.tenant_id), place + 1
        FROM turn WHERE turn.tenant_id IS NOT NULL AND place < :tenants
    )
    SELECT q.run_id, q.tenant_id, q.epoch, q.seq, q.attempts
    FROM turn JOIN run_queue AS q ON q.run_id = (
        SELECT run_id FROM run_queue
        WHERE {READY} AND tenant_id = turn.tenant_id AND ready_at <= :now AND version <= {REDUCER_VERSION}
        ORDER BY priority DESC, ready_at LIMIT 1
    )
    WHERE q.status = 'ready'
"""
_ON_SQLITE = text(_TURNS)
_ON_POSTGRESQL = text(f"{_TURNS} FOR UPDATE OF q SKIP LOCKED")

# run id, tenant id, epoch, seq, attempts
Candidate = tuple[str, str, int, int, int]


def take_turns(connection: Connection, after: str, tenants: int, now: float) -> list[Candidate]:
    """Returns the most urgent ready run of each of the next tenants that have one, locked, by tenant.

    Args:
        after: the tenant that had the last turn; empty: begin with the first.
        tenants: how many may have one.
    """
    query = _ON_POSTGRESQL if connection.dialect.name == "postgresql" else _ON_SQLITE
    rows = connection.execute(query, {"after": after, "tenants": tenants, "now": now}).all()
    found: list[Any] = sorted(map(tuple, rows), key=lambda row: row[1])
    return found
