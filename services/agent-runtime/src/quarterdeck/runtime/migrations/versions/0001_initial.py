"""The first schema."""

from alembic import op

from quarterdeck.runtime.migrations.schema_0001 import METADATA

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates every table."""
    METADATA.create_all(op.get_bind())
