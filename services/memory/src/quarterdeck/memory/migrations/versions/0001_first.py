"""The first schema: collections, and copies of the watched objects."""

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
    op.create_table(
        "collections",
        sa.Column("tenant_id", sa.String(36), primary_key=True),
        sa.Column("name", sa.String(253), primary_key=True),
        sa.Column("uid", sa.String(64), nullable=False),
        sa.Column("spec_json", sa.LargeBinary, nullable=False),
        sa.Column("provider", sa.String(64), nullable=False),
        sa.Column("model", sa.String(256), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
        sa.Column("deleted_at", sa.Float),
    )
