"""Says in the cluster what the registry has found: the one writer of the status of its kinds there."""

from __future__ import annotations

from collections.abc import Mapping

from quarterdeck.common import codec
from quarterdeck.controller.api.client import Client
from quarterdeck.controller.caching.informer import Informer
from quarterdeck.controller.loop import DONE, Result
from quarterdeck.controller.objects import metadata, uid_of
from quarterdeck.controller.queue import WorkQueue
from quarterdeck.registry.feed import Feed
from quarterdeck.registry.kube import statuses
from quarterdeck.registry.kube.places import Place, place_of, scope_at
from quarterdeck.registry.kube.projector import write_status
from quarterdeck.registry.records import Change, Key


class StatusWriter:
    """See the module. What both sides say already is not written."""

    def __init__(
        self, client: Client, informers: Mapping[str, Informer], feed: Feed, queue: WorkQueue[Place]
    ) -> None:
        self._client = client
        self._informers = informers
        self._feed = feed
        self._queue = queue

    def start(self) -> None:
        """Asks for a look at every object, and from now on at whatever changes."""
        self._feed.listen(self._changed)
        for entry in self._feed.mirror.entries():
            self._add(entry.key, entry.tenant)

    def _changed(self, change: Change) -> None:
        if not change.deleted:
            self._add(change.key, change.tenant)

    def _add(self, key: Key, tenant: str) -> None:
        place = place_of(self._feed.mirror, key, tenant)
        if place is not None:
            self._queue.add(place)

    async def reconcile(self, place: Place) -> Result:
        """Makes the status of one object there what it is here."""
        informer = self._informers[place.kind]
        thing, scope = informer.cache.get(place.key), scope_at(self._feed.mirror, place)
        entry = None
        if scope is not None:
            entry = self._feed.mirror.get(Key(scope.tenant_id, place.kind, place.name))
        if thing is None or entry is None or entry.uid != uid_of(thing):
            return DONE
        content = codec.loads(entry.written.object_json)
        if content["metadata"]["generation"] != metadata(thing).get("generation"):
            # A newer spec is on its way to us, or was refused, which has been said.
            return DONE
        wanted = statuses.ours(thing, content["status"])
        if not statuses.says(thing, wanted):
            await write_status(self._client, informer, thing, wanted)
        return DONE
