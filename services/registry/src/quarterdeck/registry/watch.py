"""Watches: what a client sees of the feed, as WatchEvents."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from quarterdeck.common.selectors import EVERYTHING, Selector
from quarterdeck.registry.feed import Feed
from quarterdeck.registry.mirror import entry_of
from quarterdeck.registry.records import Change, Key
from quarterdeck.v1 import resources_pb2

WatchEvent = resources_pb2.WatchEvent


@dataclass(frozen=True, slots=True)
class Filter:
    """What a watch is about.

    Args:
        kind: empty for every kind.
        tenant_id: None for every tenant, and the cluster-scoped objects.
        service: show what is in force instead of what was written.
    """

    kind: str = ""
    tenant_id: str | None = None
    selector: Selector = EVERYTHING
    service: bool = False

    def concerns(self, key: Key) -> bool:
        """True if the object is of the watched kind and tenant."""
        right_kind = not self.kind or key.kind == self.kind
        return right_kind and (self.tenant_id is None or key.tenant_id == self.tenant_id)


def event_of(change: Change, wanted: Filter) -> WatchEvent | None:
    """Returns what a watch is told of a change; None if nothing.

    An object that no longer fulfils the filter is deleted for this watch, one that begins
    to fulfil it is added.
    """
    if not wanted.concerns(change.key):
        return None
    before = _shown(wanted, change.existed, change.labels_before, change.in_force_before)
    after = _shown(wanted, not change.deleted, change.labels, bool(change.in_force))
    if not before and not after:
        return None
    if before and not after:
        return _event(WatchEvent.TYPE_DELETED, change, wanted)
    return _event(WatchEvent.TYPE_MODIFIED if before else WatchEvent.TYPE_ADDED, change, wanted)


async def events(
    feed: Feed, wanted: Filter, since: int | None, bookmarks: float
) -> AsyncIterator[WatchEvent]:
    """Yields the events after version `since`; for None every present object first, then a bookmark.

    The events of the listing carry no version to resume from: half a listing cannot be resumed.

    Args:
        bookmarks: seconds without an event after which a bookmark moves the client's version on.

    Raises:
        FailedPrecondition: with reason ResourceVersionTooOld; list again.
        Unavailable: the registry stops.
    """
    version = feed.version if since is None else since
    told, told_at = -1, 0.0
    if since is None:
        for event in _listing(feed, wanted):
            yield event
        told, told_at = version, time.monotonic()
        yield _bookmark(version)
    else:
        await feed.after(version)
    while True:
        while version < feed.version:
            for change in await feed.after(version):
                version = change.version
                changed = event_of(change, wanted)
                if changed is not None:
                    yield changed
        if version > told and time.monotonic() >= told_at + bookmarks:
            told, told_at = version, time.monotonic()
            yield _bookmark(version)
        await feed.moved(version, bookmarks)


def _listing(feed: Feed, wanted: Filter) -> list[WatchEvent]:
    found = []
    for entry in feed.mirror.entries(wanted.kind, wanted.tenant_id):
        shown = entry.seen_by(wanted.service)
        if shown is not None and wanted.selector.matches(entry.labels):
            tenant_id = entry.key.tenant_id
            event = WatchEvent(
                type=WatchEvent.TYPE_ADDED, object=shown, tenant=entry.tenant, tenant_id=tenant_id
            )
            found.append(event)
    return found


def _shown(wanted: Filter, exists: bool, labels: dict[str, str], in_force: bool) -> bool:
    return exists and (in_force or not wanted.service) and wanted.selector.matches(labels)


def _event(kind: WatchEvent.Type.ValueType, change: Change, wanted: Filter) -> WatchEvent:
    entry = entry_of(change)
    return WatchEvent(
        type=kind,
        object=entry.seen_by(wanted.service) or entry.written,
        resource_version=str(change.version),
        tenant=change.tenant,
        tenant_id=change.tenant_id,
    )


def _bookmark(version: int) -> WatchEvent:
    return WatchEvent(type=WatchEvent.TYPE_BOOKMARK, resource_version=str(version))
