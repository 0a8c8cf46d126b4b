"""When each tool server was used last."""

import sqlalchemy as sa
from alembic import op

from quarterdeck.common.database.rules import protecting

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Adds the table, with row-level security where there is such a thing."""
    op.create_table(
        "tool_server_uses",
        sa.Column("tenant_id", sa.String(), primary_key=True),
        sa.Column("server", sa.String(), primary_key=True),
        sa.Column("used_at", sa.Float(), nullable=False),
    )
    for command in protecting("tool_server_uses") if op.get_bind().dialect.name == "postgresql" else ():
        op.execute(command)
