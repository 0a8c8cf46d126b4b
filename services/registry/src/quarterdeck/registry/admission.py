"""What only the other objects can tell about a spec, asked inside the transaction that writes it."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection

from quarterdeck.common import codec
from quarterdeck.registry import revisions, routes, rows, tenancy
from quarterdeck.registry.conditions import Problem
from quarterdeck.registry.constants import REASON_ROUTE_TAKEN
from quarterdeck.registry.records import Row

TRIGGER, TENANT = "Trigger", "Tenant"


def problems(connection: Connection, row: Row) -> list[Problem]:
    """Returns why the written spec of `row` cannot be in force beside what is in force already."""
    if row.key.kind == TRIGGER:
        return _route_problems(connection, row)
    if row.key.kind == TENANT:
        return tenancy.problems(connection, row)
    return []


def spec_in_force(connection: Connection, row: Row) -> bytes:
    """Returns the spec that is in force, as JSON; empty if none is."""
    if row.accepted:
        return row.spec_json
    found = revisions.find(connection, row.key.tenant_id, row.revision) if row.revision else None
    return b"" if found is None else found.spec_json


def _route_problems(connection: Connection, row: Row) -> list[Problem]:
    wanted = routes.routes_of(codec.loads(row.spec_json))
    if not wanted:
        return []
    others = list(_routes_in_force(connection, row))
    found = []
    for route in wanted:
        owner = routes.taken(route, others)
        if owner:
            said = f"{route.method} {route.path} is a route of {owner}"
            found.append(Problem(route.field, said, REASON_ROUTE_TAKEN))
    return found


def _routes_in_force(connection: Connection, row: Row) -> Iterator[tuple[str, routes.Route]]:
    """Yields the routes of all other triggers with their owners, tenants of others unnamed."""
    for other in rows.all_of(connection, TRIGGER):
        spec = spec_in_force(connection, other) if other.key != row.key else b""
        ours = other.key.tenant_id == row.key.tenant_id
        owner = str(other.key) if ours else "a Trigger of another tenant"
        for route in routes.routes_of(codec.loads(spec)) if spec else []:
            yield owner, route
