"""Tenants and agents have limits on the runs worked on at once; claims know where ready runs are."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Adds whose limit a run counts against, what each worker has of a limit, and two indexes."""
    op.add_column("run_queue", sa.Column("lane", sa.String(), nullable=False, server_default=""))
    op.add_column("run_queue", sa.Column("lane_limit", sa.Integer(), nullable=False, server_default="0"))
    ready = sa.text("status = 'ready' AND attempts < 2")
    strand = ["tenant_id", "lane", "priority"]
    for name, columns in (
        ("run_queue_strands", [*strand, "ready_at"]),
        ("run_queue_arrivals", ["ready_at", *strand]),
    ):
        op.create_index(name, "run_queue", columns, sqlite_where=ready, postgresql_where=ready)
    op.create_table(
        "allotments",
        sa.Column("tenant_id", sa.String(), primary_key=True),
        sa.Column("lane", sa.String(), primary_key=True),
        sa.Column("worker", sa.String(), primary_key=True),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        postgresql_with={"fillfactor": 50},
    )
    op.create_index("allotments_by_worker", "allotments", ["worker"])
