"""Partitions of the journal in which nothing is left can be dropped."""

from alembic import op

from quarterdeck.runtime.store import functions

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Adds the function that does it; only PostgreSQL has partitions."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(functions.source("drop_empty_journal_partitions"))
