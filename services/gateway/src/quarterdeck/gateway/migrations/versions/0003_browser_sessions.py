"""Sessions of browsers."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Creates the table."""
    op.create_table(
        "browser_sessions",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("proof", sa.LargeBinary, nullable=False),
        sa.Column("principal", sa.String, nullable=False),
        sa.Column("groups_json", sa.LargeBinary, nullable=False),
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
    )
    op.create_index("ix_browser_sessions_expires_at", "browser_sessions", ["expires_at"])
