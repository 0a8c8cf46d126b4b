"""Row-level security of a service's tables on PostgreSQL, declared beside the tables."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import DDL, MetaData, Table, event

from quarterdeck.common.database.tenancy import EVERY_TENANT, SETTING

# Marks the declaration of a table that has it.
PROTECTED = "row-level security"
_NAMED = f"current_setting('{SETTING}', true)"
# Nothing set is NULL or empty: then nothing is equal to it, and there are no rows.
_MAY = f"(tenant_id = ANY (string_to_array({_NAMED}, ','))) OR ({_NAMED} = '{EVERY_TENANT}')"


def protect(metadata: MetaData, exceptions: Iterable[str] = ()) -> None:
    """Forces row-level security on every table but the named ones, whenever they are created."""
    for name in set(metadata.tables) - set(exceptions):
        protect_table(metadata.tables[name])


def protect_table(table: Table) -> None:
    """Forces row-level security on one table, which has a column `tenant_id`."""
    assert "tenant_id" in table.c, f"{table.name} has no tenant"
    table.info[PROTECTED] = True
    for command in protecting(table.name):
        ddl = DDL(command.replace("%", "%%"))  # type: ignore[no-untyped-call]
        event.listen(table, "after_create", ddl.execute_if(dialect="postgresql"))


def protecting(table: str) -> list[str]:
    """Returns the commands that force row-level security on a table, for migrations too."""
    return [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY tenants ON {table} USING ({_MAY}) WITH CHECK ({_MAY})",
    ]
