"""Where objects are in a cluster: the resources of the kinds, and the names of objects there."""

from __future__ import annotations

from typing import NamedTuple

from quarterdeck.controller.api.resource import Resource
from quarterdeck.controller.objects import ObjectKey
from quarterdeck.registry.mirror import Mirror
from quarterdeck.registry.records import CLUSTER, Key, Scope, is_cluster_scoped


class Place(NamedTuple):
    """Names an object in a cluster; `namespace` is empty for cluster-scoped kinds."""

    kind: str
    namespace: str
    name: str

    @property
    def key(self) -> ObjectKey:
        """The name within its kind."""
        return ObjectKey(self.namespace, self.name)


def resources() -> dict[str, Resource]:
    """Returns the resource of each kind."""
    from quarterdeck.resources.constants import GROUP, VERSION
    from quarterdeck.resources.kinds import KINDS

    return {
        kind: Resource(GROUP, VERSION, info.plural, kind, namespaced=not info.cluster_scoped)
        for kind, info in KINDS.items()
    }


def scope_at(mirror: Mirror, place: Place) -> Scope | None:
    """Returns whose objects live there; None for a namespace that no tenant owns."""
    if is_cluster_scoped(place.kind):
        return CLUSTER
    tenant = mirror.tenant_of(place.namespace)
    return None if tenant is None else Scope(tenant.id, tenant.name)


def place_of(mirror: Mirror, key: Key, tenant: str) -> Place | None:
    """Returns where the object `key` of `tenant` is; None if that tenant is gone."""
    if is_cluster_scoped(key.kind):
        return Place(key.kind, "", key.name)
    found = mirror.tenant(tenant)
    return None if found is None else Place(key.kind, found.namespace, key.name)
