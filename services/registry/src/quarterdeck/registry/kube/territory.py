"""Whose objects are in a namespace: the tenant's that names it and whose label it bears."""

from __future__ import annotations

from collections.abc import Callable

from quarterdeck.controller.caching.cache import Change
from quarterdeck.controller.caching.informer import Informer
from quarterdeck.controller.objects import ObjectKey, key_of
from quarterdeck.registry.kube.places import Place, scope_at
from quarterdeck.registry.kube.tenants.claims import belongs_to
from quarterdeck.registry.mirror import Mirror
from quarterdeck.registry.records import Scope, is_cluster_scoped


class Territory:
    """See the module.

    Args:
        namespaces: those that bear a tenant's label.
        release: the namespace where the platform itself runs.
    """

    def __init__(self, mirror: Mirror, namespaces: Informer, release: str) -> None:
        self._mirror = mirror
        self._namespaces = namespaces
        self._release = release

    async def known(self) -> None:
        """Waits until the namespaces are."""
        await self._namespaces.wait_synced()

    def listen(self, changed: Callable[[str], None]) -> None:
        """Calls `changed(namespace)` whenever a namespace may have become, or ceased to be, somebody's."""

        def told(change: Change) -> None:
            changed(key_of(change.object).name)

        self._namespaces.add_handler(told)

    def scope_at(self, place: Place) -> Scope | None:
        """Returns whose objects live there; None for a namespace that no tenant has."""
        scope = scope_at(self._mirror, place)
        if scope is None or is_cluster_scoped(place.kind):
            return scope
        live = self._namespaces.cache.get(ObjectKey("", place.namespace))
        return scope if belongs_to(live, scope.tenant, self._release) else None
