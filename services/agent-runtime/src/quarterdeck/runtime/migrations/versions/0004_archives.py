"""Journals of runs that are over, in archived form."""

import sqlalchemy as sa
from alembic import op

from quarterdeck.common.database.rules import protecting

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Adds the table, with row-level security where there is such a thing."""
    postgres = op.get_bind().dialect.name == "postgresql"
    op.create_table(
        "archived_journals",
        sa.Column("run_id", sa.String(collation="C" if postgres else None), primary_key=True),
        sa.Column("last_seq", sa.Integer(), primary_key=True),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("archived_at", sa.Float(), nullable=False),
        sa.Column("events", sa.LargeBinary(), nullable=False),
    )
    op.create_index("archived_journals_by_tenant", "archived_journals", ["tenant_id", "run_id"])
    for command in protecting("archived_journals") if postgres else ():
        op.execute(command)
