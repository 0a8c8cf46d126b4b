"""Appends are planned once per connection, not at each call."""

from alembic import op

from quarterdeck.runtime.store import functions

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Puts the function in the place of the one that planned its statements anew each time."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(functions.source("commit_runs"))
