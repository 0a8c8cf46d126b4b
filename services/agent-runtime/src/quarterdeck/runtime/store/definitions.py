"""Durable copies of the specs that runs pin."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, bindparam, select

from quarterdeck.common import codec
from quarterdeck.common.database import within
from quarterdeck.common.database.upserts import insert_new, insert_or_update
from quarterdeck.common.prepared import Prepared
from quarterdeck.runtime.definition import lane_in
from quarterdeck.runtime.tables import CLOSURES, DEFINITIONS, LATEST_CLOSURES

# {"Workflow/name": revision}: which revision of each kind and name a run uses.
Revisions = dict[str, str]
_REVISIONS = Prepared(
    select(CLOSURES.c.revisions).where(
        CLOSURES.c.tenant_id == bindparam("b_tenant"), CLOSURES.c.closure == bindparam("b_closure")
    )
)
_SPEC = Prepared(
    select(DEFINITIONS.c.spec).where(
        DEFINITIONS.c.tenant_id == bindparam("b_tenant"), DEFINITIONS.c.revision == bindparam("b_revision")
    )
)


def save_closure(
    connection: Connection,
    tenant_id: str,
    root: tuple[str, str],
    specs: list[tuple[str, str, str, bytes]],
) -> str:
    """Keeps what a run of `root` (kind, name) pins and returns the closure's id.

    Args:
        specs: (revision, kind, name, spec as JSON), the root's first.
    """
    closure = save_pins(connection, tenant_id, specs)
    _remember_latest(connection, tenant_id, root, closure)
    return closure


def save_pins(connection: Connection, tenant_id: str, specs: list[tuple[str, str, str, bytes]]) -> str:
    """Keeps specs and their closure, without saying that it is the newest. `specs` as for `save_closure`."""
    within(connection, tenant_id)
    revisions: Revisions = {f"{kind}/{name}": revision for revision, kind, name, _ in specs}
    closure = closure_id(revisions)
    if read_closure(connection, tenant_id, closure) is None:
        data = codec.dumps(revisions)
        insert_new(connection, CLOSURES, {"tenant_id": tenant_id, "closure": closure, "revisions": data})
    for revision, kind, name, spec in specs:
        _save_definition(connection, tenant_id, revision, kind, name, spec)
    return closure


def closure_id(revisions: Revisions) -> str:
    """Returns the name of a closure, which follows from what is in it."""
    return codec.digest(revisions)[:24]


def _save_definition(
    connection: Connection, tenant_id: str, revision: str, kind: str, name: str, spec: bytes
) -> None:
    if read_spec(connection, tenant_id, revision) is None:
        values = {"tenant_id": tenant_id, "revision": revision, "kind": kind, "name": name, "spec": spec}
        insert_new(connection, DEFINITIONS, values)


def _remember_latest(connection: Connection, tenant_id: str, root: tuple[str, str], closure: str) -> None:
    kind, name = root
    if latest_closure(connection, tenant_id, kind, name) == closure:
        return
    values = {"tenant_id": tenant_id, "kind": kind, "name": name, "closure": closure}
    insert_or_update(connection, LATEST_CLOSURES, ("tenant_id", "kind", "name"), values)


def latest_closure(connection: Connection, tenant_id: str, kind: str, name: str) -> str | None:
    """Returns the closure that the last start of this root used, or None."""
    within(connection, tenant_id)
    table = LATEST_CLOSURES.c
    mine = (table.tenant_id == tenant_id) & (table.kind == kind) & (table.name == name)
    closure: str | None = connection.execute(select(table.closure).where(mine)).scalar()
    return closure


def read_closure(connection: Connection, tenant_id: str, closure: str) -> Revisions | None:
    """Returns a closure's revisions, or None."""
    within(connection, tenant_id)
    data = _REVISIONS.scalar(connection, {"b_tenant": tenant_id, "b_closure": closure})
    return None if data is None else codec.loads(data)


def read_spec(connection: Connection, tenant_id: str, revision: str) -> dict[str, Any] | None:
    """Returns a pinned spec, or None."""
    within(connection, tenant_id)
    data = _SPEC.scalar(connection, {"b_tenant": tenant_id, "b_revision": revision})
    return None if data is None else codec.loads(data)


def read_lane(connection: Connection, row: Any) -> dict[str, Any]:
    """Returns `lane_in` of the agent that a run pins (a row of `runs`); nothing for a workflow's."""
    spec = read_spec(connection, row.tenant_id, row.revision) if row.kind == "Agent" else None
    return lane_in(row.name, spec) if spec else {}
