"""Writes that come through our API, where an API server keeps the objects.

The caller is asked for, the write is made under the registry's own account with the caller in an annotation,
and the answer waits until the registry serves what was written: whoever has applied can run.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from quarterdeck.common import codec
from quarterdeck.common.clock import Clock
from quarterdeck.common.errors import DeadlineExceeded, FailedPrecondition
from quarterdeck.common.identity import current_call
from quarterdeck.controller.api.client import Client
from quarterdeck.controller.api.errors import ApiError, NotFound
from quarterdeck.controller.api.resource import Resource
from quarterdeck.controller.objects import Object, metadata, uid_of, version_of
from quarterdeck.controller.writing.apply import held_by
from quarterdeck.registry import decisions, store
from quarterdeck.registry.constants import API_MANAGER, REASON_BEING_DELETED, WRITTEN_BY
from quarterdeck.registry.decisions import Precondition
from quarterdeck.registry.feed import Feed
from quarterdeck.registry.following import Following
from quarterdeck.registry.kube import refusals, reviewing
from quarterdeck.registry.kube.places import Place, place_of
from quarterdeck.registry.manifests import Manifest
from quarterdeck.registry.mirror import Entry
from quarterdeck.registry.records import Key, Scope
from quarterdeck.registry.store import Outcome
from quarterdeck.registry.writes import Answer, TableWrites

# Seconds that an answer waits for the registry's controller to take over what was written.
SEEN_SECONDS = 10.0
LOOK_PERIOD = 0.02

Seen = Callable[[Entry | None], bool]


class KubeWrites:
    """See the module."""

    def __init__(
        self,
        client: Client,
        resources: Mapping[str, Resource],
        feed: Feed,
        following: Following,
        clock: Clock,
    ) -> None:
        self._client = client
        self._resources = resources
        self._feed = feed
        self._following = following
        self._tables = TableWrites(feed, clock)

    async def apply(
        self, scope: Scope, wanted: Manifest, sent: bytes, precondition: Precondition, *, dry_run: bool
    ) -> Answer:
        """See `Writes`. What the API server's schema refuses is InvalidArgument, too."""
        key = Key(scope.tenant_id, wanted.kind, wanted.name)
        place, resource = self._place(key, scope), self._resources[wanted.kind]
        async with _as_ours():
            before = await self._find(resource, place)
            verb = "create" if before is None else "update"
            await self._review(verb, resource, place)
            if dry_run:
                return await self._tables.apply(scope, wanted, sent, precondition, dry_run=True)
            version = self._checked(key, precondition, before)
            thing = _manifest(sent, place, version, current_call().principal.subject)
            written = await self._client.apply(resource, thing, manager=API_MANAGER)
        entry = await self._served(key, lambda entry: _is(entry, written))
        assert entry is not None
        return Answer(entry.written, _outcome(before, written))

    async def delete(self, scope: Scope, key: Key, precondition: Precondition) -> Answer:
        """See `Writes`. FailedPrecondition for an object that somebody holds: it will go, but not now."""
        place, resource = self._place(key, scope), self._resources[key.kind]
        entry = self._feed.mirror.get(key)
        async with _as_ours():
            await self._review("delete", resource, place)
            before = await self._find(resource, place)
            if before is None or entry is None:
                raise store.missing(key)
            self._checked(key, precondition, before)
            left = await self._client.delete(resource, place.name, place.namespace, uid=uid_of(before))
        if held := held_by(left):
            hint = "it goes when its finalizers are removed"
            raise FailedPrecondition(held, reason=REASON_BEING_DELETED, hint=hint)
        await self._served(key, lambda entry: entry is None or entry.uid != uid_of(before))
        return Answer(entry.written, Outcome.DELETED)

    def _place(self, key: Key, scope: Scope) -> Place:
        place = place_of(self._feed.mirror, key, scope.tenant)
        if place is None:
            raise store.missing(key)
        return place

    async def _find(self, resource: Resource, place: Place) -> Object | None:
        try:
            return await self._client.get(resource, place.name, place.namespace)
        except NotFound:
            return None

    async def _review(self, verb: str, resource: Resource, place: Place) -> None:
        who = current_call().principal
        await reviewing.require(self._client, who, verb, resource, place.namespace, place.name)

    def _checked(self, key: Key, precondition: Precondition, before: Object | None) -> str:
        """Returns the API server's version of what the caller has seen; empty if they do not mind.

        Raises Conflict or AlreadyExists if it is not that any more.
        """
        if before is None:
            decisions.check_version(precondition, key, None, "")
            return ""
        entry = self._feed.mirror.get(key)
        # What is there and not served yet has a version that nobody can have read.
        version = entry.version if entry is not None and _is(entry, before) else 0
        decisions.check_version(precondition, key, version, uid_of(before))
        return version_of(before) if precondition.version else ""

    async def _served(self, key: Key, seen: Seen) -> Entry | None:
        try:
            async with asyncio.timeout(SEEN_SECONDS):
                while True:
                    await self._following.fresh()
                    entry = self._feed.mirror.get(key)
                    if seen(entry):
                        return entry
                    await asyncio.sleep(LOOK_PERIOD)
        except TimeoutError:
            raise DeadlineExceeded(
                f"{key} was written, but the registry's controller has not taken it over yet",
                hint="is a replica of the registry's controller at work?",
            ) from None


@asynccontextmanager
async def _as_ours() -> AsyncIterator[None]:
    try:
        yield
    except ApiError as error:
        raise refusals.error_of(error) from None


def _manifest(sent: bytes, place: Place, version: str, who: str) -> Object:
    """Returns what is applied: what the caller sent, and who they are."""
    content = codec.loads(sent)
    given = content.get("metadata") or {}
    meta: dict[str, Any] = {"name": place.name}
    if place.namespace:
        meta["namespace"] = place.namespace
    if given.get("labels"):
        meta["labels"] = given["labels"]
    meta["annotations"] = (given.get("annotations") or {}) | {WRITTEN_BY: who}
    if version:
        meta["resourceVersion"] = version
    names = {"apiVersion": content["apiVersion"], "kind": content["kind"], "metadata": meta}
    return names | {"spec": content.get("spec") or {}}


def _is(entry: Entry | None, thing: Object) -> bool:
    """True if the registry serves what the API server has."""
    if entry is None or entry.uid != uid_of(thing):
        return False
    meta = codec.loads(entry.written.object_json)["metadata"]
    present = metadata(thing)
    return bool(meta["generation"] == present.get("generation", 1)) and meta.get("labels", {}) == (
        present.get("labels") or {}
    )


def _outcome(before: Object | None, written: Object) -> Outcome:
    if before is None:
        return Outcome.CREATED
    return Outcome.UNCHANGED if _wanted(before) == _wanted(written) else Outcome.CONFIGURED


def _wanted(thing: Object) -> tuple[Any, ...]:
    """Returns what a writer may have changed; the status moves the resource version, too."""
    meta = metadata(thing)
    return meta.get("generation"), meta.get("labels"), meta.get("annotations")
