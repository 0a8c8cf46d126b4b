"""Takes objects over as an API server has them, many in one transaction; each with its conditions.

An object, its verdict and what was concluded beside the objects that it names are one write: it is a single
version of the registry, a single change for whoever watches, and a single status for the API server.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from quarterdeck.common.errors import NotFound, QuarterdeckError
from quarterdeck.registry import admission, conditions, decisions, history, revisions, rows, store, tenancy
from quarterdeck.registry.conditions import Facts
from quarterdeck.registry.manifests import Manifest
from quarterdeck.registry.records import Change, Key, Row, Scope, Source

# What other rows have a say in is taken over by itself.
BY_ITSELF = frozenset({admission.TENANT, admission.TRIGGER})


@dataclass(frozen=True, slots=True)
class Projection:
    """One object to take over.

    Args:
        found: fields of its status that this registry must not give anew: a Tenant's id and namespace.
        facts: what its conditions follow from, if its spec is accepted; None: that is found later.
        fields: further fields of its status; an empty one is left out.
        now: seconds since 1970.
    """

    scope: Scope
    wanted: Manifest
    source: Source
    found: Mapping[str, Any]
    facts: Facts | None
    fields: Mapping[str, Any]
    now: float

    @property
    def key(self) -> Key:
        """Names the object."""
        return Key(self.scope.tenant_id, self.wanted.kind, self.wanted.name)


@dataclass(frozen=True, slots=True)
class Projected:
    """What a write of many changed. `refused`: objects whose tenant was removed, with NotFound."""

    changes: list[Change]
    refused: dict[Key, QuarterdeckError]


def project(connection: Connection, items: Sequence[Projection]) -> Projected:
    """Takes the items over, each object once."""
    history.lock(connection)
    done = Projected([], {})
    groups: defaultdict[Scope, list[Projection]] = defaultdict(list)
    for item in items:
        groups[item.scope].append(item)
    for scope, group in groups.items():
        try:
            if scope.tenant_id:
                tenancy.require(connection, scope.tenant_id, scope.tenant)
        except NotFound as gone:
            done.refused.update((item.key, gone) for item in group)
        else:
            done.changes.extend(_of_tenant(connection, scope, group))
    return done


def _of_tenant(connection: Connection, scope: Scope, group: Sequence[Projection]) -> list[Change]:
    known = rows.find_many(connection, scope.tenant_id, [item.key for item in group])
    new = [item for item in group if item.key not in known and item.wanted.kind not in BY_ITSELF]
    changes = _made(connection, scope, new)
    for item in group:
        if item.key in known or item.wanted.kind in BY_ITSELF:
            changes += _over(connection, item, known.get(item.key))
    return changes


def _over(connection: Connection, item: Projection, before: Row | None) -> list[Change]:
    """Takes an object over what is there; one of the same name that was another is gone."""
    changes = []
    if before is not None and before.uid != item.source.uid:
        changes = store.end(connection, item.scope, before, item.now).changes
        before = None
    if before is not None and decisions.is_projected(before, item.wanted, item.source):
        return []
    row = _row(connection, item, before)
    return [*changes, *store.save(connection, item.scope, row, before, item.now).changes]


def _made(connection: Connection, scope: Scope, new: Sequence[Projection]) -> list[Change]:
    """Takes over what was not there, each table in one statement."""
    if not new:
        return []
    first = history.next_versions(connection, len(new))
    made = [replace(_row(connection, item, None), version=first + n) for n, item in enumerate(new)]
    rows.insert_many(connection, made)
    revisions.keep_many(connection, [row for row in made if row.accepted], new[0].now)
    changes = [
        store.change(connection, scope, row, None, item.now) for row, item in zip(made, new, strict=True)
    ]
    history.record_many(connection, changes)
    return changes


def _row(connection: Connection, item: Projection, before: Row | None) -> Row:
    """Returns the object with its verdict and its conditions; its version is still the old one."""
    row = decisions.projected_row(item.key, before, item.wanted, item.source, item.found)
    row = store.judge(connection, row, item.wanted, item.now)
    if item.facts is None:
        return row
    facts = item.facts if row.accepted else replace(item.facts, accepted=False, misfits=())
    return decisions.concluded(row, conditions.summarize(facts), item.fields, item.now)
