"""Functions of the runtime's schema on PostgreSQL: what must be one statement there is written in SQL."""

from __future__ import annotations

from importlib.resources import files

from sqlalchemy import Connection

# Weeks that the journal has partitions for, ahead of the present one.
WEEKS_AHEAD = 8
# Past weeks whose partitions stay, empty or not: a start may still be on its way with an id of last week.
WEEKS_KEPT = 1
# In the order in which they may be created.
NAMES = (
    "journal_bound",
    "protect_partition",
    "make_journal_partitions",
    "drop_empty_journal_partitions",
    "commit_runs",
)


def source(name: str) -> str:
    """Returns the command that creates, or replaces, a function."""
    return files(__package__).joinpath("sql", f"{name}.sql").read_text()


def keep_partitions(connection: Connection) -> int:
    """Makes the journal's partitions of the coming weeks that are not there yet; returns how many.

    To be called more often than every `WEEKS_AHEAD`; what comes later than that goes to the default one.
    """
    if connection.dialect.name != "postgresql":
        return 0
    made = connection.exec_driver_sql(f"SELECT make_journal_partitions({WEEKS_AHEAD})").scalar()
    return int(made or 0)


def drop_partitions(connection: Connection) -> int:
    """Drops the journal's partitions of past weeks in which nothing is left; returns how many.

    It does without those that somebody has locked, and is to be called alone in its transaction.
    """
    if connection.dialect.name != "postgresql":
        return 0
    dropped = connection.exec_driver_sql(f"SELECT drop_empty_journal_partitions({WEEKS_KEPT})").scalar()
    return int(dropped or 0)


def creating() -> list[str]:
    """Returns the commands that give fresh tables their functions, and the journal its first partitions.

    The default partition takes what no other does: runs with ids of another form, and a clock that jumped.
    """
    return [
        *map(source, NAMES),
        "CREATE TABLE journal_default PARTITION OF journal DEFAULT",
        "SELECT protect_partition('journal_default')",
        f"SELECT make_journal_partitions({WEEKS_AHEAD})",
    ]
