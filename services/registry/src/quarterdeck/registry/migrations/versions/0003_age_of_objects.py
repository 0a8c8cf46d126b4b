"""When the object of a change was made: ids that a Kubernetes API server gives do not sort by time."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Adds the time; a change that is there already does without it until its object changes again."""
    op.add_column("changes", sa.Column("created_at", sa.String(32), nullable=False, server_default=""))
