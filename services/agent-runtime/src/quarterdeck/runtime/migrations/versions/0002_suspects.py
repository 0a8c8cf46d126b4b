"""Runs under suspicion of killing their workers are claimed alone."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Adds the counter, and an index that finds suspects."""
    alone = sa.Column("alone", sa.Integer(), nullable=False, server_default="0")
    op.add_column("run_queue", alone)
    suspects = sa.text("status = 'ready' AND attempts >= 2")
    op.create_index(
        "run_queue_suspects", "run_queue", ["ready_at"], sqlite_where=suspects, postgresql_where=suspects
    )
