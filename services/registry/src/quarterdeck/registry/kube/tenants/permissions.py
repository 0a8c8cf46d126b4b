"""Keeps what is given in a tenant's namespace as it should be, and takes back what is given no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from quarterdeck.controller.api.errors import ApiError
from quarterdeck.controller.api.resource import ROLE_BINDINGS, ROLES, Resource
from quarterdeck.controller.caching.cache import BY_NAMESPACE, ObjectCache
from quarterdeck.controller.objects import Object, annotations_of, controlling_owner, is_deleting, key_of
from quarterdeck.controller.writing.apply import ControlledByOther, OwnedObjects
from quarterdeck.registry.constants import APPLIED
from quarterdeck.registry.kube.tenants.granting import Gift

# Who may own what we gave: kinds of ours.
_OWNERS = frozenset({"Tenant", "AccessBinding", "AccessRole"})


class Permissions:
    """See the module."""

    def __init__(self, objects: OwnedObjects, caches: Mapping[Resource, ObjectCache]) -> None:
        self._objects = objects
        self._caches = caches

    async def keep(self, namespace: str, gifts: Sequence[Gift]) -> list[Object]:
        """Takes back first, whatever becomes of the gifts; returns these as they are.

        Raises:
            ApiError, ControlledByOther: the first of the gifts that could not be given; the others were.
        """
        wanted = {(gift.resource, key_of(gift.thing).name) for gift in gifts}
        for resource in (ROLE_BINDINGS, ROLES):
            for live in self._caches[resource].find(BY_NAMESPACE, namespace):
                if (resource, key_of(live).name) not in wanted and is_ours(live):
                    await self._take_back(resource, live)
        return await self._give(gifts)

    async def _take_back(self, resource: Resource, live: Object) -> None:
        owner = controlling_owner(live)
        if owner is not None and not is_deleting(live):
            await self._objects.remove(resource, live, {"metadata": {"uid": owner.uid}})

    async def _give(self, gifts: Sequence[Gift]) -> list[Object]:
        given, problems = [], []
        for gift in gifts:
            cache = self._caches[gift.resource]
            try:
                given.append(await self._objects.ensure(gift.resource, gift.thing, gift.owner, cache))
            except (ApiError, ControlledByOther) as problem:
                problems.append(problem)
        if problems:
            raise problems[0]
        return given


def is_ours(live: Object) -> bool:
    """True if we gave it: our word is on it, and one of our kinds controls it. Pure."""
    owner = controlling_owner(live)
    return APPLIED in annotations_of(live) and owner is not None and owner.kind in _OWNERS
