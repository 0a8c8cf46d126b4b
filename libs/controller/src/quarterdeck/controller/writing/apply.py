"""Objects that a controller makes for its own: applied, kept as they should be, never taken from others."""

from __future__ import annotations

import copy

from quarterdeck.controller.api.client import Client
from quarterdeck.controller.api.errors import Invalid, NotFound
from quarterdeck.controller.api.resource import Resource
from quarterdeck.controller.caching.cache import ObjectCache
from quarterdeck.controller.objects import (
    Object,
    annotations_of,
    controlling_owner,
    is_deleting,
    key_of,
    metadata,
    uid_of,
    version_of,
)
from quarterdeck.controller.writing.comparing import covers, digest


class ControlledByOther(Exception):
    """The name is taken by an object that somebody else controls; it was left alone."""


def owned(thing: Object, owner: Object | None, digest_annotation: str) -> Object:
    """Returns `thing` with `owner` as its controller and a word for what was wanted.

    Args:
        owner: None for an object that is to outlive whatever asked for it.
        digest_annotation: where that word is kept: it tells what we left out since, which no comparison of
            what is there with what is wanted could.
    """
    result = copy.deepcopy(thing)
    meta = result.setdefault("metadata", {})
    if owner is not None:
        meta["ownerReferences"] = [_reference(owner)]
    meta["annotations"] = {**(meta.get("annotations") or {}), digest_annotation: digest(result)}
    return result


def _reference(owner: Object) -> Object:
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": uid_of(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def refusal(live: Object | None, asker: Object) -> str:
    """Returns why an object may not be made what `asker` wants; empty if it may."""
    other = controlling_owner(live) if live is not None else None
    if live is None or other is None or other.uid == uid_of(asker):
        return ""
    return f"{live.get('kind')} {key_of(live)} is controlled by {other.kind} {other.name}"


def is_as_wanted(live: Object | None, wanted: Object, digest_annotation: str) -> bool:
    """True if an apply would change nothing.

    Args:
        wanted: as `owned` returned it.
    """
    if live is None or is_deleting(live):
        return False
    same = annotations_of(live).get(digest_annotation) == annotations_of(wanted)[digest_annotation]
    return same and covers(live, wanted)


class OwnedObjects:
    """Writes of one controller to the objects that it owns.

    Args:
        client: fenced, if there is a leader.
        manager: the field manager; one for a controller.
        digest_annotation: its own annotation on what it owns, as `example.dev/applied`.
    """

    def __init__(self, client: Client, manager: str, digest_annotation: str) -> None:
        self._client = client
        self._manager = manager
        self._annotation = digest_annotation

    async def ensure(
        self,
        resource: Resource,
        thing: Object,
        owner: Object,
        cache: ObjectCache | None = None,
        *,
        outlives: bool = False,
    ) -> Object:
        """Makes an object what `thing` says, if it is not; returns it as it is then.

        Fields that others changed are set back; fields that `thing` does not name are theirs.

        Args:
            cache: of the informer of `resource`; an object that is as wanted there costs no request.
            outlives: the object stays when `owner` is deleted; it does not refer to it.

        Raises:
            ControlledByOther: somebody else controls an object of that name.
            ApiError: what the API server refuses.
        """
        wanted = owned(thing, None if outlives else owner, self._annotation)
        live = cache.get(key_of(thing)) if cache is not None else None
        _refuse(refusal(live, owner))
        if live is not None and is_as_wanted(live, wanted, self._annotation):
            return live
        if live is None:
            # The cache may be behind: an object that is there after all might be somebody's.
            _refuse(refusal(await self._look(resource, wanted), owner))
        try:
            return await self._client.apply(resource, wanted, manager=self._manager)
        except Invalid as error:
            # Two controllers of one object: somebody was quicker.
            _refuse(refusal(await self._look(resource, wanted), owner))
            raise error from None

    async def remove(self, resource: Resource, thing: Object, owner: Object) -> None:
        """Deletes an object that `owner` controls, as it was read; nothing if it is gone already.

        Raises:
            ControlledByOther: it is not the owner's.
            Conflict: it is another one by now, or changed since it was read.
        """
        controller = controlling_owner(thing)
        if controller is None or controller.uid != uid_of(owner):
            raise ControlledByOther(f"{thing.get('kind')} {key_of(thing)} is not controlled by us")
        key = key_of(thing)
        try:
            await self._client.delete(
                resource, key.name, key.namespace, uid=uid_of(thing), resource_version=version_of(thing)
            )
        except NotFound:
            return

    async def _look(self, resource: Resource, thing: Object) -> Object | None:
        meta = metadata(thing)
        try:
            return await self._client.get(resource, meta["name"], meta.get("namespace", ""))
        except NotFound:
            return None


def _refuse(why: str) -> None:
    if why:
        raise ControlledByOther(why)
