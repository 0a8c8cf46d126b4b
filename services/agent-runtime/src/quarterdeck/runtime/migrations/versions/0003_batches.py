"""Appends have names, so that an unknown outcome can be looked up."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Adds the name of the last append. (PostgreSQL begins with this revision.)"""
    op.add_column("run_queue", sa.Column("batch", sa.String(), nullable=False, server_default=""))
