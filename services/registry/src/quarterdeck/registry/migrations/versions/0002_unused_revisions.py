"""Since when a revision is not in force: what is unused for long is collected."""

import time

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Adds the time; for what is not in force today it begins now."""
    op.add_column("revisions", sa.Column("unused_since", sa.Float()))
    op.create_index("revisions_unused", "revisions", ["unused_since"])
    op.get_bind().execute(
        sa.text(
            "UPDATE revisions SET unused_since = :now WHERE NOT EXISTS (SELECT 1 FROM objects "
            "WHERE objects.tenant_id = revisions.tenant_id AND objects.revision = revisions.revision)"
        ),
        {"now": time.time()},
    )
