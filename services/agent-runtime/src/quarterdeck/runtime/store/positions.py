"""How far runs have come, for those who stream them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from quarterdeck.runtime.tables import RUN_QUEUE


def last_seqs(connection: Connection, run_ids: Sequence[str]) -> dict[str, int]:
    """Returns the last sequence numbers of those of the runs that may go on by themselves."""
    q = RUN_QUEUE.c
    asked = select(q.run_id, q.seq).where(q.run_id.in_(run_ids), q.status != "quarantined")
    return {row.run_id: row.seq for row in connection.execute(asked)}
