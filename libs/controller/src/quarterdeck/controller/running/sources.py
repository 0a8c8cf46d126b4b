"""What a controller looks after, and whose turn it is when something changed: functions over changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from quarterdeck.controller.api.client import EVERYTHING, Scope
from quarterdeck.controller.api.resource import Resource
from quarterdeck.controller.caching.cache import BY_UID, Change, ObjectCache
from quarterdeck.controller.objects import Object, ObjectKey, controlling_owner, key_of
from quarterdeck.controller.running.predicates import Predicate, every_change, generation_changed

Mapping = Callable[[Object], Iterable[ObjectKey]]
"""Says which objects of the controller's own kind an object of another kind concerns."""


@dataclass(frozen=True, slots=True)
class For:
    """The kind that a controller reconciles."""

    resource: Resource
    predicate: Predicate = generation_changed
    scope: Scope = EVERYTHING


@dataclass(frozen=True, slots=True)
class Owns:
    """A kind that it makes; a change of one concerns the owner that controls it, known by its UID."""

    resource: Resource
    predicate: Predicate = every_change
    scope: Scope = EVERYTHING


@dataclass(frozen=True, slots=True)
class Watches:
    """A kind that it reads; `mapping`, asked of the old and the new state, says whom a change concerns."""

    resource: Resource
    mapping: Mapping
    predicate: Predicate = every_change
    scope: Scope = EVERYTHING


def states(change: Change) -> list[Object]:
    """Returns the old and the new state, as far as there are any."""
    return [state for state in (change.old, change.new) if state is not None]


def own_keys(change: Change) -> set[ObjectKey]:
    """Returns the name of the object itself."""
    return {key_of(change.object)}


def owner_keys(change: Change, resource: Resource, owners: ObjectCache) -> set[ObjectKey]:
    """Returns the owners that controlled the object before or control it now.

    By UID: an owner of the same name that was made anew is somebody else. An owner that is not in the cache
    yet is looked at anyway when it comes.
    """
    keys = set()
    for state in states(change):
        owner = controlling_owner(state)
        if owner is not None and owner.kind == resource.kind and _group(owner.api_version) == resource.group:
            keys |= {key_of(found) for found in owners.find(BY_UID, owner.uid)}
    return keys


def mapped_keys(change: Change, mapping: Mapping) -> set[ObjectKey]:
    """Returns whom `mapping` names for the old and the new state."""
    return {key for state in states(change) for key in mapping(state)}


def _group(api_version: str) -> str:
    group, slash, _ = api_version.partition("/")
    return group if slash else ""
