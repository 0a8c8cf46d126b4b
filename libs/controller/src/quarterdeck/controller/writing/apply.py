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
    """The name is taken by an object that is somebody else's; it was left alone."""


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


def refusal(live: Object | None, asker: Object, digest_annotation: str) -> str:
    """Returns why an object may not be made what `asker` wants; empty if it may.

    What nobody controls was made by us, which its annotation says, or is somebody's own. Who wants to hand
    that over gives it the annotation, with any value.
    """
    if live is None:
        return ""
    other, key = controlling_owner(live), key_of(live)
    if other is not None and other.uid != uid_of(asker):
        return f"{live.get('kind')} {key} is controlled by {other.kind} {other.name}"
    if other is not None or digest_annotation in annotations_of(live):
        return ""
    place = f" -n {key.namespace}" if key.namespace else ""
    how = f"`kubectl annotate{place} {str(live.get('kind')).lower()} {key.name} {digest_annotation}=given`"
    return (
        f"{live.get('kind')} {key} was there before and is somebody's own: remove it, or give it away: {how}"
    )


def held_by(thing: Object) -> str:
    """Returns in words what keeps an object from going that is being deleted; empty if it is not."""
    if not is_deleting(thing):
        return ""
    holders = ", ".join(metadata(thing).get("finalizers") or []) or "nothing"
    return f"{thing.get('kind')} {key_of(thing)} is being deleted, and held by {holders}"


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
        given: bool = False,
    ) -> Object:
        """Makes an object what `thing` says, if it is not; returns it as it is then.

        Fields that others changed are set back; fields that `thing` does not name are theirs. An object that
        is being deleted is left to that, and returned as it is; it can be made anew when it is gone.

        Args:
            cache: of the informer of `resource`; an object that is as wanted there costs no request.
            outlives: the object stays when `owner` is deleted; it does not refer to it.
            given: the caller knows that an object which nobody controls may be taken.

        Raises:
            ControlledByOther: the object of that name is somebody else's.
            ApiError: what the API server refuses.
        """
        wanted = owned(thing, None if outlives else owner, self._annotation)
        live = cache.get(key_of(thing)) if cache is not None else None
        # The cache may be behind, and knows only of some: what is there after all might be somebody's.
        known = live if live is not None else await self._look(resource, wanted)
        self._refuse(known, owner, given)
        if known is not None and is_deleting(known):
            return known
        if live is not None and is_as_wanted(live, wanted, self._annotation):
            return live
        try:
            return await self._client.apply(resource, wanted, manager=self._manager)
        except Invalid as error:
            # Two controllers of one object: somebody was quicker.
            self._refuse(await self._look(resource, wanted), owner, given)
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

    def _refuse(self, live: Object | None, owner: Object, given: bool) -> None:
        if given and live is not None and controlling_owner(live) is None:
            return
        if why := refusal(live, owner, self._annotation):
            raise ControlledByOther(why)
