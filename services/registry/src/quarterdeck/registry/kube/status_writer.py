"""Says in the cluster what the registry has found: the one writer of the status of its kinds there."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from quarterdeck.common import codec
from quarterdeck.controller.caching import cache
from quarterdeck.controller.caching.informer import Informer
from quarterdeck.controller.loop import DONE, Result
from quarterdeck.controller.objects import key_of, metadata, uid_of
from quarterdeck.controller.queue import WorkQueue
from quarterdeck.registry.feed import Feed
from quarterdeck.registry.kube import statuses
from quarterdeck.registry.kube.places import Place, place_of
from quarterdeck.registry.kube.saying import Speaker
from quarterdeck.registry.kube.territory import Territory
from quarterdeck.registry.records import Change, Key


class StatusWriter:
    """See the module. What both sides say already is not written."""

    def __init__(
        self,
        speaker: Speaker,
        informers: Mapping[str, Informer],
        feed: Feed,
        territory: Territory,
        queue: WorkQueue[Place],
    ) -> None:
        self._speaker = speaker
        self._territory = territory
        self._informers = informers
        self._feed = feed
        self._queue = queue

    def start(self) -> None:
        """Asks for a look at every object, and from now on at whatever changes, here or there."""
        for kind, informer in self._informers.items():
            informer.add_handler(partial(self._changed_there, kind))
        self._feed.listen(self._changed)
        for entry in self._feed.mirror.entries():
            self._add(entry.key, entry.tenant)

    def _changed_there(self, kind: str, change: cache.Change) -> None:
        """What somebody else makes of a status is corrected."""
        if change.old is not None and change.new is not None:
            self._queue.add(Place(kind, *key_of(change.new)))

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
        thing, scope = informer.cache.get(place.key), self._territory.scope_at(place)
        entry = None
        if scope is not None:
            entry = self._feed.mirror.get(Key(scope.tenant_id, place.kind, place.name))
        if thing is None or entry is None or entry.uid != uid_of(thing):
            return DONE
        content = codec.loads(entry.written.object_json)
        if content["metadata"]["generation"] != metadata(thing).get("generation"):
            # A newer spec is on its way to us, or was refused, which has been said.
            return DONE
        if content["status"].get("observedGeneration") != content["metadata"]["generation"]:
            # Its conditions are being found; one word for all of them is enough.
            return DONE
        wanted = statuses.ours(thing, content["status"])
        if not statuses.says(thing, wanted):
            await self._speaker.say(informer.resource, thing, wanted)
        return DONE
