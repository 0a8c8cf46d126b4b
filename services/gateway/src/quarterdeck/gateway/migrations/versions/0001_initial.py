"""The first schema: copies of watched objects."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates the tables."""
    op.create_table(
        "watched_objects",
        sa.Column("tenant", sa.String, primary_key=True),
        sa.Column("kind", sa.String, primary_key=True),
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("tenant_id", sa.String, nullable=False),
        sa.Column("revision", sa.String, nullable=False),
        sa.Column("object_json", sa.LargeBinary, nullable=False),
    )
