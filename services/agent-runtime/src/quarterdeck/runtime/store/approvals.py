"""Rows of approvals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, select, update

from quarterdeck.common.database import within
from quarterdeck.runtime.tables import APPROVALS


def get_approval(connection: Connection, tenant_id: str, approval_id: str) -> Row[Any] | None:
    """Returns an approval, or None."""
    within(connection, tenant_id)
    mine = (APPROVALS.c.approval_id == approval_id) & (APPROVALS.c.tenant_id == tenant_id)
    return connection.execute(select(APPROVALS).where(mine)).one_or_none()


def list_approvals(
    connection: Connection,
    tenant_id: str,
    states: Sequence[str],
    run_ids: Sequence[str],
    after: str,
    limit: int,
) -> list[Row[Any]]:
    """Returns a page of approvals, oldest first; of some runs only if `run_ids` is not empty."""
    within(connection, tenant_id)
    query = select(APPROVALS).where(APPROVALS.c.tenant_id == tenant_id, APPROVALS.c.approval_id > after)
    if states:
        query = query.where(APPROVALS.c.state.in_(states))
    if run_ids:
        query = query.where(APPROVALS.c.run_id.in_(run_ids) | APPROVALS.c.root_run_id.in_(run_ids))
    return list(connection.execute(query.order_by(APPROVALS.c.approval_id).limit(limit)).all())


def decide(connection: Connection, approval_id: str, values: dict[str, Any]) -> bool:
    """Closes an open approval; False if somebody was quicker."""
    still_open = (APPROVALS.c.approval_id == approval_id) & (APPROVALS.c.state == "open")
    return connection.execute(update(APPROVALS).where(still_open).values(**values)).rowcount == 1


def expire(connection: Connection, approval_id: str, now: float) -> bool:
    """Closes an open approval whose time is over; False if it was decided in time."""
    return decide(connection, approval_id, {"state": "expired", "decided_at": now})
