"""API keys."""

import sqlalchemy as sa
from alembic import op

from quarterdeck.common.database.rules import protecting

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Creates the table."""
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("tenant", sa.String, nullable=False),
        sa.Column("tenant_id", sa.String, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("principal", sa.String, nullable=False),
        sa.Column("proof", sa.LargeBinary, nullable=False),
        sa.Column("scopes_json", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("created_by", sa.String, nullable=False),
        sa.Column("expires_at", sa.Float, nullable=False),
        sa.Column("revoked_at", sa.Float, nullable=False),
        sa.Column("last_used_at", sa.Float, nullable=False),
    )
    op.create_index("api_keys_by_name", "api_keys", ["tenant_id", "name"])
    if op.get_bind().dialect.name == "postgresql":
        for command in protecting("api_keys"):
            op.execute(command)
