"""Tenants: a name, an immutable UUID that is never given twice, and the one namespace it owns."""

from __future__ import annotations

import uuid
from dataclasses import replace

from sqlalchemy import Connection, and_, insert, select, update

from quarterdeck.common import codec
from quarterdeck.common.errors import FailedPrecondition, NotFound
from quarterdeck.registry import rows
from quarterdeck.registry.conditions import Problem
from quarterdeck.registry.constants import REASON_NAMESPACE_TAKEN
from quarterdeck.registry.records import Row, TenantRow
from quarterdeck.registry.tables import TENANTS

NAMESPACE_PREFIX = "qd-"


def alive(connection: Connection) -> list[TenantRow]:
    """Returns the tenants that were not removed."""
    found = connection.execute(select(TENANTS).where(TENANTS.c.deleted_at.is_(None)))
    return [TenantRow(row.id, row.name, row.namespace, row.suspended) for row in found]


def require(connection: Connection, tenant_id: str, name: str) -> None:
    """Raises NotFound if the tenant was removed since its name was resolved."""
    where = and_(TENANTS.c.id == tenant_id, TENANTS.c.deleted_at.is_(None))
    if connection.execute(select(TENANTS.c.id).where(where)).first() is None:
        raise unknown(name)


def unknown(name: str) -> NotFound:
    """Returns the error for a tenant that is not there."""
    return NotFound(
        f"there is no tenant {name!r}", field="tenant", hint="list tenants, or apply a Tenant of that name"
    )


def namespace_of(name: str, spec: dict[str, object]) -> str:
    """Returns the namespace that a Tenant asks for, or the one that its name gives."""
    return str(spec.get("namespace") or f"{NAMESPACE_PREFIX}{name}")


def problems(connection: Connection, row: Row) -> list[Problem]:
    """Returns why a Tenant cannot have the namespace that it asks for."""
    wanted = namespace_of(row.key.name, codec.loads(row.spec_json))
    owned = row.status.get("namespace", wanted)
    if owned != wanted:
        said = f"the tenant owns namespace {owned!r}, and keeps it"
        return [Problem("spec.namespace", said)]
    for tenant in alive(connection):
        if tenant.namespace == wanted and tenant.name != row.key.name:
            said = f"namespace {wanted!r} belongs to tenant {tenant.name!r}"
            return [Problem("spec.namespace", said, REASON_NAMESPACE_TAKEN)]
    return []


def with_identity(row: Row) -> Row:
    """Returns an accepted Tenant with id and namespace in its status; an id, once given, stays."""
    if not row.accepted:
        return row
    given = str(row.status.get("id") or uuid.uuid4())
    namespace = row.status.get("namespace") or namespace_of(row.key.name, codec.loads(row.spec_json))
    return replace(row, status=row.status | {"id": given, "namespace": namespace})


def record(row: Row) -> TenantRow | None:
    """Returns the tenant that a Tenant object stands for; None before its first accepted spec."""
    if not row.status.get("id") or not row.accepted:
        return None
    suspended = bool(codec.loads(row.spec_json).get("suspended", False))
    return TenantRow(row.status["id"], row.key.name, row.status["namespace"], suspended)


def save(connection: Connection, tenant: TenantRow) -> None:
    """Writes a tenant's row."""
    values = {"namespace": tenant.namespace, "suspended": tenant.suspended}
    updated = connection.execute(update(TENANTS).where(TENANTS.c.id == tenant.id).values(values))
    if updated.rowcount == 0:
        connection.execute(insert(TENANTS).values(id=tenant.id, name=tenant.name, **values))


def remove(connection: Connection, tenant_id: str, now: float) -> None:
    """Marks a tenant as removed; its row stays, so its id is never given again."""
    connection.execute(update(TENANTS).where(TENANTS.c.id == tenant_id).values(deleted_at=now))


def refuse_if_used(connection: Connection, row: Row) -> None:
    """Raises FailedPrecondition if a Tenant that is to be deleted still has objects."""
    held = rows.count_of(connection, str(row.status.get("id", "")))
    if held and row.status.get("id"):
        raise FailedPrecondition(
            f"tenant {row.key.name!r} still has {held} objects",
            field="metadata.name",
            hint="delete its objects first; what its runs recorded is kept in any case",
            reason="TenantNotEmpty",
        )
