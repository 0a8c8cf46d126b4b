"""The present objects in memory: what reads are served from.

The mirror holds what is committed and nothing else. Writers hand their changes to `Feed`
before they answer, so who has written reads it back. What other replicas write comes from the
table `changes` (`following`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from operator import itemgetter
from typing import TypeVar

from quarterdeck.common import codec
from quarterdeck.common.selectors import EVERYTHING, Selector
from quarterdeck.registry.admission import TENANT
from quarterdeck.registry.records import Change, Key, TenantRow
from quarterdeck.v1 import resources_pb2

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """One object as it is answered.

    Args:
        written: the object as it was written.
        in_force: the object with the spec that is in force; None as long as none is.
        age: sorts by creation.
    """

    key: Key
    tenant: str
    version: int
    uid: str
    age: str
    labels: dict[str, str]
    written: resources_pb2.Object
    in_force: resources_pb2.Object | None

    def seen_by(self, service: bool) -> resources_pb2.Object | None:
        """Returns what a service acts on, or what a person wrote."""
        return self.in_force if service else self.written


class Mirror:
    """See the module. All methods belong to the event loop."""

    def __init__(self) -> None:
        self.version = 0
        self._objects: dict[Key, Entry] = {}
        self._names: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        self._created: defaultdict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
        self._tenants: dict[str, TenantRow] = {}
        self._owners: dict[str, TenantRow] = {}

    def __len__(self) -> int:
        """Returns how many objects there are."""
        return len(self._objects)

    def apply(self, change: Change) -> None:
        """Takes a change over."""
        known = self._objects.get(change.key)
        # Another uid: the object was deleted and made anew, so it has another place in the order.
        if known is not None and (change.deleted or known.uid != change.uid):
            self._forget(known)
            known = None
        if not change.deleted:
            entry = entry_of(change)
            if known is None:
                self._remember_order(entry)
            else:
                entry = replace(entry, age=known.age)
            self._objects[change.key] = entry
        if change.kind == TENANT:
            self._apply_tenant(change)
        self.version = max(self.version, change.version)

    def get(self, key: Key) -> Entry | None:
        """Returns an object, or None."""
        return self._objects.get(key)

    def tenant(self, name: str) -> TenantRow | None:
        """Returns a tenant by its name, or None."""
        return self._tenants.get(name)

    def tenant_of(self, namespace: str) -> TenantRow | None:
        """Returns the tenant that owns a namespace, or None."""
        return self._owners.get(namespace)

    def entries(self, kind: str = "", tenant_id: str | None = None) -> list[Entry]:
        """Returns objects; a kind or tenant that is not given does not restrict."""
        return [
            entry
            for key, entry in self._objects.items()
            if (not kind or key.kind == kind) and (tenant_id is None or key.tenant_id == tenant_id)
        ]

    def page(
        self,
        tenant_id: str,
        kind: str,
        order: str,
        after: str,
        limit: int,
        *,
        selector: Selector = EVERYTHING,
        service: bool = False,
    ) -> list[Entry]:
        """Returns at most `limit` objects behind the sort key `after` (empty: from the beginning)."""
        names = self._in_order(tenant_id, kind, order, after)
        entries = (self._objects[Key(tenant_id, kind, name)] for name in names)
        found = (e for e in entries if selector.matches(e.labels) and e.seen_by(service) is not None)
        return list(islice(found, limit))

    def _in_order(self, tenant_id: str, kind: str, order: str, after: str) -> Iterator[str]:
        descending = order.startswith("-")
        if order.endswith("name"):
            yield from _behind(self._names[tenant_id, kind], str, after, descending)
            return
        for _, name in _behind(self._created[tenant_id, kind], itemgetter(0), after, descending):
            yield name

    def _remember_order(self, entry: Entry) -> None:
        group = entry.key.tenant_id, entry.key.kind
        insort(self._names[group], entry.key.name)
        insort(self._created[group], (entry.age, entry.key.name))

    def _forget(self, entry: Entry) -> None:
        del self._objects[entry.key]
        group = entry.key.tenant_id, entry.key.kind
        names, created = self._names[group], self._created[group]
        del names[bisect_left(names, entry.key.name)]
        del created[bisect_left(created, (entry.age, entry.key.name))]

    def _apply_tenant(self, change: Change) -> None:
        known = self._tenants.pop(change.name, None)
        if known is not None:
            self._owners.pop(known.namespace, None)
        if not change.deleted and change.in_force:
            found = codec.loads(change.in_force)
            status, suspended = found["status"], bool(found["spec"].get("suspended", False))
            tenant = TenantRow(status["id"], change.name, status["namespace"], suspended)
            self._tenants[tenant.name] = self._owners[tenant.namespace] = tenant


def _behind(items: list[T], key: Callable[[T], str], after: str, descending: bool) -> Iterator[T]:
    """Yields the sorted `items` that come behind `after` in the wanted direction."""
    if descending:
        end = bisect_left(items, after, key=key) if after else len(items)
        return (items[at] for at in range(end - 1, -1, -1))
    begin = bisect_right(items, after, key=key) if after else 0
    return (items[at] for at in range(begin, len(items)))


def sort_key(entry: Entry, order: str) -> str:
    """Returns what a page token remembers of its last object."""
    return entry.key.name if order.endswith("name") else entry.age


def entry_of(change: Change) -> Entry:
    """Returns the object as it is after a change."""
    written = _message(change, change.object_json)
    in_force = written if change.in_force_json is None else None
    if change.in_force_json:
        in_force = _message(change, change.in_force_json)
    age = f"{change.created_at} {change.uid}"
    return Entry(change.key, change.tenant, change.version, change.uid, age, change.labels, written, in_force)


def deletion_of(entry: Entry) -> Change:
    """Returns the change that an object's end is, where nobody remembers it."""
    return Change(
        version=entry.version,
        at=0.0,
        tenant_id=entry.key.tenant_id,
        tenant=entry.tenant,
        kind=entry.key.kind,
        name=entry.key.name,
        uid=entry.uid,
        deleted=True,
        labels=entry.labels,
        object_json=entry.written.object_json,
        revision=entry.written.revision,
        in_force_json=None,
        existed=True,
        labels_before=entry.labels,
    )


def _message(change: Change, object_json: bytes) -> resources_pb2.Object:
    return resources_pb2.Object(
        kind=change.kind,
        name=change.name,
        object_json=object_json,
        resource_version=str(change.version),
        revision=change.revision,
    )
