"""Objects, revisions, changes, tenants."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates the first tables."""
    _tenants()
    _objects()
    _revisions()
    _changes()
    op.create_table(
        "counter",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("forgotten", sa.BigInteger(), nullable=False),
    )


def _tenants() -> None:
    op.create_table(
        "tenants",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("name", sa.String(253), nullable=False),
        sa.Column("namespace", sa.String(253), nullable=False),
        sa.Column("suspended", sa.Boolean(), nullable=False),
        sa.Column("deleted_at", sa.Float()),
    )
    alive = sa.text("deleted_at IS NULL")
    op.create_index(
        "tenants_name", "tenants", ["name"], unique=True, sqlite_where=alive, postgresql_where=alive
    )


def _objects() -> None:
    op.create_table(
        "objects",
        sa.Column("tenant_id", sa.String(36), primary_key=True),
        sa.Column("kind", sa.String(63), primary_key=True),
        sa.Column("name", sa.String(253), primary_key=True),
        sa.Column("uid", sa.String(36), nullable=False, unique=True),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("annotations", sa.JSON(), nullable=False),
        sa.Column("spec_hash", sa.String(64), nullable=False),
        sa.Column("spec_json", sa.LargeBinary(), nullable=False),
        sa.Column("status_json", sa.LargeBinary(), nullable=False),
        sa.Column("revision", sa.String(330), nullable=False),
        sa.Column("accepted_generation", sa.BigInteger(), nullable=False),
    )


def _revisions() -> None:
    op.create_table(
        "revisions",
        sa.Column("tenant_id", sa.String(36), primary_key=True),
        sa.Column("revision", sa.String(330), primary_key=True),
        sa.Column("kind", sa.String(63), nullable=False),
        sa.Column("name", sa.String(253), nullable=False),
        sa.Column("spec_hash", sa.String(64), nullable=False),
        sa.Column("spec_json", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
    )
    op.create_index("revisions_object", "revisions", ["tenant_id", "kind", "name", "version"])


def _changes() -> None:
    op.create_table(
        "changes",
        sa.Column("version", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("tenant_id", sa.String(36), nullable=False),
        sa.Column("tenant", sa.String(253), nullable=False),
        sa.Column("kind", sa.String(63), nullable=False),
        sa.Column("name", sa.String(253), nullable=False),
        sa.Column("uid", sa.String(36), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("object_json", sa.LargeBinary(), nullable=False),
        sa.Column("revision", sa.String(330), nullable=False),
        sa.Column("in_force_json", sa.LargeBinary()),
        sa.Column("existed", sa.Boolean(), nullable=False),
        sa.Column("labels_before", sa.JSON(), nullable=False),
        sa.Column("in_force_before", sa.Boolean(), nullable=False),
    )
    op.create_index("changes_at", "changes", ["at"])
