"""Takes over what the API server has: each object there becomes the row that the registry serves.

The API server is the truth; the tables are a projection of it with what an API server does not keep, the
revisions. An object whose namespace no Tenant owns is not taken over, and its status says so.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from quarterdeck.common.clock import Clock
from quarterdeck.common.errors import InvalidArgument
from quarterdeck.controller.caching.cache import BY_NAMESPACE, Change
from quarterdeck.controller.caching.informer import Informer
from quarterdeck.controller.loop import DONE, Result
from quarterdeck.controller.objects import Object, key_of
from quarterdeck.controller.queue import WorkQueue
from quarterdeck.registry import conditions, manifests, parsed, records, status, store
from quarterdeck.registry.admission import TENANT
from quarterdeck.registry.conditions import FALSE, Condition
from quarterdeck.registry.constants import ACCEPTED, REASON_INVALID_SPEC, REASON_NO_TENANT, UNTYPED
from quarterdeck.registry.feed import Feed
from quarterdeck.registry.gathering import Gathering
from quarterdeck.registry.judging import Read, beside, read_alone, references_within
from quarterdeck.registry.kube import reading, statuses
from quarterdeck.registry.kube.echoes import is_echo
from quarterdeck.registry.kube.places import Place, place_of, scope_at
from quarterdeck.registry.kube.saying import Speaker
from quarterdeck.registry.kube.territory import Territory
from quarterdeck.registry.manifests import Manifest
from quarterdeck.registry.projection import Projection
from quarterdeck.registry.reconciler import Reconciler, is_whole
from quarterdeck.registry.records import Key, Scope, is_cluster_scoped
from quarterdeck.registry.world import World

if TYPE_CHECKING:
    from quarterdeck.registry.manifests import Others


class Projector:
    """See the module."""

    def __init__(
        self,
        speaker: Speaker,
        informers: Mapping[str, Informer],
        feed: Feed,
        world: World,
        reconciler: Reconciler,
        territory: Territory,
        queue: WorkQueue[Place],
        clock: Clock,
    ) -> None:
        self._speaker = speaker
        self._informers = informers
        self._feed = feed
        self._world = world
        self._reconciler = reconciler
        self._gathering = Gathering(feed)
        self._territory = territory
        self._queue = queue
        # Of each tenant, as far as objects there were asked about it.
        self._namespaces: dict[str, str] = {}
        self._clock = clock

    def start(self) -> None:
        """Asks for a look at whatever changes there, and at what we have that is not there."""
        for kind, informer in self._informers.items():
            informer.add_handler(partial(self._changed_there, kind))
        for entry in self._feed.mirror.entries(TENANT):
            self._namespaces[entry.key.name] = self._namespace_of(entry.key.name)
        self._feed.listen(self._changed)
        self._territory.listen(self._look_at)

    async def look_for_the_gone(self) -> None:
        """Asks for a look at what is in our tables: some of it may have been deleted while nobody looked."""
        for informer in self._informers.values():
            await informer.wait_synced()
        for entry in self._feed.mirror.entries():
            place = place_of(self._feed.mirror, entry.key, entry.tenant)
            if place is not None:
                self._queue.add(place)

    def _changed_there(self, kind: str, change: Change) -> None:
        if not is_echo(change):
            self._queue.add(Place(kind, *key_of(change.object)))

    def _changed(self, change: records.Change) -> None:
        """A namespace may belong to a tenant from now on, or to none any more."""
        if change.kind != TENANT:
            return
        before, now = self._namespaces.get(change.name, ""), self._namespace_of(change.name)
        self._namespaces[change.name] = now
        # Most changes of a Tenant are of its status, and concern nobody else.
        for namespace in {before, now} - {""} if before != now else ():
            self._look_at(namespace)

    def _namespace_of(self, name: str) -> str:
        tenant = self._feed.mirror.tenant(name)
        return "" if tenant is None else tenant.namespace

    def _look_at(self, namespace: str) -> None:
        """Asks for a look at all that is in a namespace."""
        for kind, informer in self._informers.items():
            if not is_cluster_scoped(kind):
                for thing in informer.cache.find(BY_NAMESPACE, namespace):
                    self._queue.add(Place(kind, *key_of(thing)))

    async def reconcile(self, place: Place) -> Result:
        """Makes our row of one object what the API server has."""
        thing = self._informers[place.kind].cache.get(place.key)
        if thing is None:
            await self._forget(place)
            return DONE
        scope = self._territory.scope_at(place)
        if scope is None:
            said = f"no Tenant owns namespace {place.namespace!r}"
            return await self._refuse(thing, Condition(ACCEPTED, FALSE, REASON_NO_TENANT, said))
        try:
            wanted, read = await asyncio.to_thread(_read, thing)
        except InvalidArgument as refused:
            said = f"{refused.field}: {refused.message}" if refused.field else refused.message
            return await self._refuse(thing, Condition(ACCEPTED, FALSE, REASON_INVALID_SPEC, said))
        key = Key(scope.tenant_id, place.kind, place.name)
        with self._written_whole(key, wanted):
            await self._take(scope, key, thing, wanted, read)
        return DONE

    @contextlib.contextmanager
    def _written_whole(self, key: Key, wanted: Manifest) -> Iterator[None]:
        if not is_whole(key.kind):
            yield
            return
        # Recorded before it is judged: what appears from now on causes another look.
        self._reconciler.begin_whole(key, references_within(key, wanted.parsed))
        try:
            yield
        finally:
            self._reconciler.end_whole(key)

    async def _forget(self, place: Place) -> None:
        scope = scope_at(self._feed.mirror, place)
        if scope is not None:
            key = Key(scope.tenant_id, place.kind, place.name)
            await self._feed.write(store.forget, scope, key, self._clock.now())

    async def _take(self, scope: Scope, key: Key, thing: Object, wanted: Manifest, read: Read) -> None:
        others = self._world.others(scope.tenant_id, parsed.references_of(wanted.parsed))
        if others:
            wanted, read = await asyncio.to_thread(_read_beside, wanted, read, others)
        now = self._clock.now()
        item = Projection(
            scope,
            wanted,
            reading.source_of(thing),
            reading.kept_status(thing),
            self._reconciler.facts_of(key, read, accepted=True) if is_whole(key.kind) else None,
            {UNTYPED: read.untyped},
            now,
        )
        await self._gathering.take(item)
        fields, said, generation = statuses.theirs(thing)
        if said:
            edit = status.editor(fields, said, generation, now)
            await self._feed.write(store.edit_status, scope, key, edit, now)

    async def _refuse(self, thing: Object, verdict: Condition) -> Result:
        not_ready = conditions.Condition("Ready", FALSE, verdict.reason, verdict.message)
        wanted = statuses.ours(thing, statuses.refused(thing, [verdict, not_ready], self._clock.now()))
        if not statuses.says(thing, wanted):
            await self._speaker.say(self._informers[thing["kind"]].resource, thing, wanted)
        return DONE


def _read(thing: Object) -> tuple[Manifest, Read]:
    wanted = reading.manifest_of(thing)
    return wanted, read_alone(wanted.parsed, in_cluster=True)


def _read_beside(wanted: Manifest, read: Read, others: Others) -> tuple[Manifest, Read]:
    return manifests.judged_with(wanted, others), beside(read, others, accepted=True)
