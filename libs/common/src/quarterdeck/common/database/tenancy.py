"""Whose rows a transaction may touch, and what two transactions must not do at once.

On PostgreSQL every table with content has row-level security: a transaction sees the rows of the tenant
it named, and none at all before it named one. It guards against a forgotten filter, not against a
service that was taken over. SQLite has no such thing; the filters of the queries stand alone there.
"""

from __future__ import annotations

from sqlalchemy import Connection

# A setting of the transaction: a tenant's id, several with commas between them, or EVERY_TENANT.
SETTING = "quarterdeck.tenant"
EVERY_TENANT = "*"
_SET = f"SELECT set_config('{SETTING}', $1, true)"
_LOCK = "SELECT count(pg_advisory_xact_lock(hashtextextended(k.key, 0))) FROM unnest($1::text[]) AS k(key)"
_TRY_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))"


def within(connection: Connection, tenant_id: str) -> None:
    """From here on, the transaction is about this tenant."""
    if connection.dialect.name != "postgresql" or connection.info.get(SETTING) == tenant_id:
        return
    connection.connection.cursor().execute(_SET, (tenant_id,))
    connection.info[SETTING] = tenant_id


def across_tenants(connection: Connection) -> None:
    """From here on, the transaction is about all tenants: only for what a service does on its own account."""
    within(connection, EVERY_TENANT)


def concerning(connection: Connection, tenant_id: str) -> None:
    """From here on, the transaction is about this tenant; if it is empty, about what belongs to none."""
    within(connection, tenant_id or EVERY_TENANT)


def forget_tenant(connection: Connection) -> None:
    """Takes note that the setting is empty again: the transaction that named one is over or undone."""
    connection.info.pop(SETTING, None)


def serialize(connection: Connection, *keys: str) -> None:
    """Waits until no other transaction holds any of `keys`, and holds them until this one ends.

    For decisions over rows that may not exist yet. On SQLite there is one writer at a time anyway.
    """
    if keys and connection.dialect.name == "postgresql":
        connection.connection.cursor().execute(_LOCK, (sorted(set(keys)),))


def may_serialize(connection: Connection, key: str) -> bool:
    """Does the same without waiting; returns whether it holds `key` now."""
    if connection.dialect.name != "postgresql":
        return True
    cursor = connection.connection.cursor()
    cursor.execute(_TRY_LOCK, (key,))
    return bool(cursor.fetchall()[0][0])
