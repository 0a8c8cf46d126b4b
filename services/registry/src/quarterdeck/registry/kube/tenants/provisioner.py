"""Makes a tenant's namespace and what belongs in it, and keeps them so."""

from __future__ import annotations

from collections.abc import Sequence

from quarterdeck.controller.api.client import Client, Scope
from quarterdeck.controller.api.errors import AlreadyExists, Forbidden, Invalid, NotFound
from quarterdeck.controller.api.resource import (
    LIMIT_RANGES,
    NAMESPACES,
    NETWORK_POLICIES,
    RESOURCE_QUOTAS,
    ROLE_BINDINGS,
    ROLES,
    Resource,
)
from quarterdeck.controller.caching.informer import Informers
from quarterdeck.controller.objects import Object, ObjectKey
from quarterdeck.controller.writing.apply import ControlledByOther, OwnedObjects, held_by
from quarterdeck.registry.conditions import FALSE, TRUE, Condition
from quarterdeck.registry.config import RegistrySettings
from quarterdeck.registry.constants import (
    APPLIED,
    NAMESPACE_READY,
    REASON_BEING_DELETED,
    REASON_CONTROLLED_BY_OTHER,
    REASON_NAMESPACE_READY,
    REASON_NOT_PERMITTED,
    REASON_REFUSED,
    TENANT_LABEL,
    TENANTS_MANAGER,
)
from quarterdeck.registry.kube.tenants import claims, rendering
from quarterdeck.registry.kube.tenants.granting import Gift
from quarterdeck.registry.kube.tenants.permissions import Permissions
from quarterdeck.registry.kube.tenants.rendering import Wanted

# Namespaces, and things in them, that are some tenant's.
LABELLED = Scope(label_selector=TENANT_LABEL)
KEPT = (RESOURCE_QUOTAS, LIMIT_RANGES, NETWORK_POLICIES, ROLES, ROLE_BINDINGS)


class Provisioner:
    """See the module.

    Args:
        client: fenced.
    """

    def __init__(self, client: Client, informers: Informers, settings: RegistrySettings) -> None:
        self._client = client
        self._objects = OwnedObjects(client, TENANTS_MANAGER, APPLIED)
        self._caches = {resource: informers.of(resource, LABELLED).cache for resource in (NAMESPACES, *KEPT)}
        self._permissions = Permissions(self._objects, self._caches)
        self._settings = settings

    async def provide(self, tenant: Object, what: Wanted, gifts: Sequence[Gift]) -> Condition:
        """Makes all as wanted, and returns how that went.

        Args:
            gifts: what is to be given in the namespace, and nothing else.

        Raises:
            ApiError: the API server could not be asked; another try may help.
        """
        try:
            refused = await self._namespace(tenant, what)
            if refused is None:
                refused = await self._contents(tenant, what, gifts)
        except Forbidden as error:
            return Condition(NAMESPACE_READY, FALSE, REASON_NOT_PERMITTED, error.message)
        except Invalid as error:
            return Condition(NAMESPACE_READY, FALSE, REASON_REFUSED, error.message)
        except ControlledByOther as error:
            return Condition(NAMESPACE_READY, FALSE, REASON_CONTROLLED_BY_OTHER, str(error))
        said = f"namespace {what.namespace!r} is as it should be"
        return refused or Condition(NAMESPACE_READY, TRUE, REASON_NAMESPACE_READY, said)

    async def _namespace(self, tenant: Object, what: Wanted) -> Condition | None:
        live = await self._look(what.namespace)
        refused = self._obstacle(what, live)
        if refused is None and live is None:
            live = await self._make(what)
            refused = self._obstacle(what, live)
        if refused is None:
            made = live is not None and claims.is_made_for(live, what.tenant)
            thing = rendering.namespace(what, made=made)
            outlives = not (made and what.deleted_with_it)
            # Whose it is has been looked at: who gave it says so by its label.
            await self._ensure(NAMESPACES, thing, tenant, outlives=outlives, given=True)
        return refused

    def _obstacle(self, what: Wanted, live: Object | None) -> Condition | None:
        return claims.obstacle(what.namespace, live, what.tenant, self._settings.lease_namespace)

    async def _make(self, what: Wanted) -> Object:
        """Creates the namespace: whoever comes second learns that it was there before."""
        try:
            return await self._client.create(
                NAMESPACES, rendering.new_namespace(what), fieldManager=TENANTS_MANAGER
            )
        except AlreadyExists:
            return await self._client.get(NAMESPACES, what.namespace)

    async def _look(self, name: str) -> Object | None:
        found = self._caches[NAMESPACES].get(ObjectKey("", name))
        if found is not None:
            return found
        try:
            return await self._client.get(NAMESPACES, name)
        except NotFound:
            return None

    async def _contents(self, tenant: Object, what: Wanted, gifts: Sequence[Gift]) -> Condition | None:
        """Makes what is kept in the namespace; returns what of it cannot be made yet."""
        kept = await self._permissions.keep(what.namespace, gifts)
        kept += [
            await self._ensure(resource, thing, tenant, outlives=True)
            for resource, thing in rendering.contents(what, self._settings)
        ]
        held = "; ".join(filter(None, map(held_by, kept)))
        return Condition(NAMESPACE_READY, FALSE, REASON_BEING_DELETED, held) if held else None

    async def _ensure(
        self, resource: Resource, thing: Object, tenant: Object, *, outlives: bool, given: bool = False
    ) -> Object:
        cache = self._caches[resource]
        return await self._objects.ensure(resource, thing, tenant, cache, outlives=outlives, given=given)
