"""Writes: plain functions over a connection, each run in one transaction.

Every function returns what it did as `Written`, with the changes that the caller must hand
to `Feed` once the transaction is committed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, NamedTuple

from sqlalchemy import Connection

from quarterdeck.common.errors import NotFound
from quarterdeck.registry import admission, decisions, history, revisions, rows, tenancy
from quarterdeck.registry.conditions import Condition
from quarterdeck.registry.decisions import Precondition
from quarterdeck.registry.manifests import Manifest
from quarterdeck.registry.records import Change, Key, Row, Scope, in_force_json, object_json


class Outcome(Enum):
    """What a write did."""

    CREATED = "created"
    CONFIGURED = "configured"
    UNCHANGED = "unchanged"
    DELETED = "deleted"


class Seen(NamedTuple):
    """Which object, and which of its specs, something was concluded from."""

    uid: str
    generation: int


@dataclass(frozen=True, slots=True)
class Written:
    """The object after a write (or as it was last, if deleted)."""

    row: Row
    outcome: Outcome
    changes: list[Change] = field(default_factory=list)


def apply(
    connection: Connection,
    scope: Scope,
    wanted: Manifest,
    precondition: Precondition,
    now: float,
    *,
    dry_run: bool = False,
) -> Written:
    """Creates or updates an object.

    Raises:
        Conflict: the precondition does not hold.
        AlreadyExists: it was to be created, and is there.
        NotFound: the tenant was removed.
    """
    history.lock(connection)
    key = Key(scope.tenant_id, wanted.kind, wanted.name)
    if scope.tenant_id:
        tenancy.require(connection, scope.tenant_id, scope.tenant)
    before = rows.find(connection, key)
    decisions.check(precondition, key, before)
    if before is not None and decisions.is_unchanged(before, wanted):
        return Written(before, Outcome.UNCHANGED)
    row = judge(connection, decisions.next_row(key, before, wanted, now), wanted, now)
    if dry_run:
        return Written(row, _outcome(before))
    return save(connection, scope, row, before, now)


def forget(connection: Connection, scope: Scope, key: Key, now: float) -> Written | None:
    """Takes over that the API server has an object no more; None: nor had we. A Tenant's objects go, too."""
    history.lock(connection)
    before = rows.find(connection, key)
    if before is None:
        return None
    tenant_id = str(before.status.get("id", "")) if key.kind == admission.TENANT else ""
    held = rows.all_of(connection, tenant_id=tenant_id) if tenant_id else []
    of_tenant = Scope(tenant_id, key.name)
    changes = [change for row in held for change in end(connection, of_tenant, row, now).changes]
    written = end(connection, scope, before, now)
    return replace(written, changes=[*changes, *written.changes])


def judge_again(
    connection: Connection, scope: Scope, seen: Seen, wanted: Manifest, now: float
) -> Written | None:
    """Judges a spec that was refused before; None if it is in force, gone or changed by now."""
    history.lock(connection)
    before = _as_seen(connection, Key(scope.tenant_id, wanted.kind, wanted.name), seen)
    if before is None or before.accepted:
        return None
    row = judge(connection, before, wanted, now)
    if row.status == before.status and not row.accepted:
        return Written(before, Outcome.UNCHANGED)
    return save(connection, scope, row, before, now)


def delete(connection: Connection, scope: Scope, key: Key, precondition: Precondition, now: float) -> Written:
    """Deletes an object.

    Raises:
        NotFound: it is not there.
        Conflict: it is not the version that was to be deleted.
        FailedPrecondition: a Tenant that still has objects.
    """
    history.lock(connection)
    before = _require(connection, key)
    decisions.check(precondition, key, before)
    if key.kind == admission.TENANT:
        tenancy.refuse_if_used(connection, before)
    return end(connection, scope, before, now)


def end(connection: Connection, scope: Scope, before: Row, now: float) -> Written:
    """Removes an object and says so, within a write."""
    if before.key.kind == admission.TENANT:
        tenancy.remove(connection, str(before.status.get("id", "")), now)
    rows.remove(connection, before.key)
    revisions.retire(connection, before, now)
    row = replace(before, version=history.next_version(connection))
    made = change(connection, scope, row, before, now, deleted=True)
    history.record(connection, made)
    return Written(row, Outcome.DELETED, [made])


def edit_status(
    connection: Connection,
    scope: Scope,
    key: Key,
    edit: Callable[[Row], dict[str, Any]],
    now: float,
) -> Written:
    """Replaces the status by `edit(row)`; nothing is written if that is what it is already.

    Raises:
        NotFound: the object is not there.
    """
    history.lock(connection)
    before = _require(connection, key)
    status = edit(before)
    if status == before.status:
        return Written(before, Outcome.UNCHANGED)
    return save(connection, scope, replace(before, status=status), before, now)


def set_conditions(
    connection: Connection,
    scope: Scope,
    key: Key,
    seen: Seen,
    wanted: Sequence[Condition],
    fields: Mapping[str, Any],
    *,
    now: float,
) -> Written | None:
    """Writes what was concluded from one generation; None if the object is gone or has another by now.

    `fields` are further fields of its status; an empty one is left out.
    """
    history.lock(connection)
    before = _as_seen(connection, key, seen)
    if before is None:
        return None
    row = decisions.concluded(before, wanted, fields, now)
    if row.status == before.status:
        return Written(before, Outcome.UNCHANGED)
    return save(connection, scope, row, before, now)


def everything(connection: Connection) -> tuple[int, list[Change]]:
    """Returns the present version, and every object as if it had just been written."""
    names = {tenant.id: tenant.name for tenant in tenancy.alive(connection)}
    found = [
        change(connection, Scope(row.key.tenant_id, names.get(row.key.tenant_id, "")), row, row, 0.0)
        for row in rows.all_of(connection)
    ]
    return history.bounds(connection).newest, found


def judge(connection: Connection, row: Row, wanted: Manifest, now: float) -> Row:
    """Returns the row with the verdict on its spec, unless that is in force already."""
    if row.accepted:
        return row
    row = decisions.judged(row, [*wanted.problems, *admission.problems(connection, row)], now)
    return tenancy.with_identity(row) if row.key.kind == admission.TENANT else row


def save(connection: Connection, scope: Scope, row: Row, before: Row | None, now: float) -> Written:
    """Writes an object as its next version, within a write."""
    row = replace(row, version=history.next_version(connection))
    rows.save(connection, row, before)
    if row.accepted and (before is None or before.revision != row.revision):
        if before is not None and before.revision:
            revisions.retire(connection, before, now)
        revisions.keep(connection, row, now)
    if row.key.kind == admission.TENANT:
        _save_tenant(connection, row)
    made = change(connection, scope, row, before, now)
    history.record(connection, made)
    return Written(row, _outcome(before), [made])


def _outcome(before: Row | None) -> Outcome:
    return Outcome.CREATED if before is None else Outcome.CONFIGURED


def _save_tenant(connection: Connection, row: Row) -> None:
    tenant = tenancy.record(row)
    if tenant is not None:
        tenancy.save(connection, tenant)


def change(
    connection: Connection, scope: Scope, row: Row, before: Row | None, now: float, *, deleted: bool = False
) -> Change:
    """Returns the change that writing `row` over `before` is, as watches see it."""
    return Change(
        version=row.version,
        at=now,
        tenant_id=row.key.tenant_id,
        tenant=scope.tenant,
        kind=row.key.kind,
        name=row.key.name,
        uid=row.uid,
        deleted=deleted,
        labels=row.labels,
        object_json=object_json(row),
        revision=row.revision,
        in_force_json=_in_force(connection, row),
        existed=before is not None,
        labels_before=before.labels if before is not None else {},
        in_force_before=before is not None and bool(before.revision),
        created_at=row.created_at,
    )


def _in_force(connection: Connection, row: Row) -> bytes | None:
    if row.accepted:
        return None
    spec = admission.spec_in_force(connection, row)
    return in_force_json(row, spec) if spec else b""


def _as_seen(connection: Connection, key: Key, seen: Seen) -> Row | None:
    row = rows.find(connection, key)
    return row if row is not None and Seen(row.uid, row.generation) == seen else None


def _require(connection: Connection, key: Key) -> Row:
    row = rows.find(connection, key)
    if row is None:
        raise missing(key)
    return row


def missing(key: Key) -> NotFound:
    """Returns the error for an object that is not there."""
    return NotFound(f"{key} does not exist", field="name", hint=f"list {key.kind} objects to see which do")
