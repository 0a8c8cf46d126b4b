"""Calls, pins, copies of watched objects."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates the first tables."""
    _watched_objects()
    _tool_calls()
    op.create_table(
        "tool_pins",
        sa.Column("tenant_id", sa.String(), primary_key=True),
        sa.Column("server", sa.String(), primary_key=True),
        sa.Column("tool", sa.String(), primary_key=True),
        sa.Column("pin", sa.String(), nullable=False),
    )


def _watched_objects() -> None:
    op.create_table(
        "watched_objects",
        sa.Column("tenant", sa.String(), primary_key=True),
        sa.Column("kind", sa.String(), primary_key=True),
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("revision", sa.String(), nullable=False),
        sa.Column("object_json", sa.LargeBinary(), nullable=False),
    )


def _tool_calls() -> None:
    op.create_table(
        "tool_calls",
        sa.Column("tenant_id", sa.String(), primary_key=True),
        sa.Column("call_id", sa.String(), primary_key=True),
        sa.Column("server", sa.String(), nullable=False),
        sa.Column("tool", sa.String(), nullable=False),
        sa.Column("arguments_hash", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("approval_id", sa.String()),
        sa.Column("incarnation", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("outcome_json", sa.LargeBinary()),
        sa.Column("result_json", sa.LargeBinary()),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("finished_at", sa.Float()),
    )
    op.create_index("tool_calls_by_approval", "tool_calls", ["tenant_id", "approval_id"], unique=True)
    op.create_index("tool_calls_by_start", "tool_calls", ["started_at"])
