"""The tools that a server with pods had when it was asked last."""

import sqlalchemy as sa
from alembic import op

from quarterdeck.common.database.rules import protecting

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Adds the table, with row-level security where there is such a thing."""
    op.create_table(
        "tool_listings",
        sa.Column("tenant_id", sa.String(), primary_key=True),
        sa.Column("server", sa.String(), primary_key=True),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("tools_json", sa.LargeBinary(), nullable=False),
    )
    for command in protecting("tool_listings") if op.get_bind().dialect.name == "postgresql" else ():
        op.execute(command)
