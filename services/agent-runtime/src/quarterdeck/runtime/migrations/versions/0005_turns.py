"""Tenants take turns when runs are claimed; when the next run is due is read from an index."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Adds two indexes of the runs that are ready."""
    ready = sa.text("status = 'ready' AND attempts < 2")
    turns: list[str | sa.TextClause] = ["tenant_id", sa.text("priority DESC"), "ready_at"]
    for name, columns in (("run_queue_turns", turns), ("run_queue_due", turns[-1:])):
        op.create_index(name, "run_queue", columns, sqlite_where=ready, postgresql_where=ready)
