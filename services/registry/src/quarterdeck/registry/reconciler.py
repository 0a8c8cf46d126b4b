"""Keeps conditions true: looks at an object when it, or something that it names, has changed.

One look computes all conditions of an object from what is in memory and writes them if they
differ; whatever happens between the look and the write causes another look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from quarterdeck.common import codec
from quarterdeck.common.clock import Clock
from quarterdeck.controller.loop import DONE, Result
from quarterdeck.controller.queue import WorkQueue
from quarterdeck.registry import conditions, manifests, parsed, store
from quarterdeck.registry.admission import TENANT, TRIGGER
from quarterdeck.registry.conditions import Condition, Facts
from quarterdeck.registry.constants import STATUS_OWNERS, UNTYPED
from quarterdeck.registry.dependents import Dependents
from quarterdeck.registry.feed import Feed
from quarterdeck.registry.judging import Read, beside, read_alone, references_within
from quarterdeck.registry.mirror import Entry
from quarterdeck.registry.records import Change, Key, Scope
from quarterdeck.registry.world import World, target_of


def is_whole(kind: str) -> bool:
    """True for kinds whose conditions follow from their spec and other objects: not from their own status."""
    return kind != TENANT


# Reasons for another look at an object that is written whole: its own change is none.
_OWN, _ANOTHER = 1, 2

if TYPE_CHECKING:
    from quarterdeck.resources.metadata import Condition as StatusCondition
    from quarterdeck.resources.references import Reference


class Reconciler:
    """See the module."""

    def __init__(
        self, feed: Feed, world: World, queue: WorkQueue[Key], clock: Clock, *, in_cluster: bool = False
    ) -> None:
        self._feed = feed
        self._world = world
        self._queue = queue
        self._clock = clock
        self._in_cluster = in_cluster
        self._dependents = Dependents()
        # Objects that are being written with their conditions, and how much has happened to each meanwhile.
        self._written_whole: dict[Key, int] = {}

    def start(self) -> None:
        """Asks for a look at every object, and from now on at whatever changes."""
        self._feed.listen(self._changed)
        for entry in self._feed.mirror.entries():
            self._queue.add(entry.key)

    def begin_whole(self, key: Key, references: Sequence[Reference]) -> None:
        """Says that the object is about to be judged, and written together with its conditions.

        That change is no reason for a look; whatever else happens until `end_whole` is one, then.
        """
        self._dependents.put(key, [target_of(key.tenant_id, item) for item in references])
        self._written_whole[key] = 0

    def end_whole(self, key: Key) -> None:
        """Says that the object was written, or that nothing came of it."""
        if self._written_whole.pop(key) > _OWN:
            self._queue.add(key)

    def _add(self, key: Key, reason: int) -> None:
        if key in self._written_whole:
            self._written_whole[key] += reason
        else:
            self._queue.add(key)

    def _changed(self, change: Change) -> None:
        self._add(change.key, 0 if change.deleted else _OWN)
        for holder in self._dependents.of(change.key):
            self._add(holder, _ANOTHER)
        if change.kind in {TRIGGER, TENANT}:
            self._look_at_rivals(change.kind)

    def _look_at_rivals(self, kind: str) -> None:
        """A route or a namespace may have become free for one that was refused it."""
        for entry in self._feed.mirror.entries(kind):
            if entry.in_force is not entry.written:
                self._queue.add(entry.key)

    async def reconcile(self, key: Key) -> Result:
        """Looks at one object."""
        entry = self._feed.mirror.get(key)
        if entry is None:
            if key not in self._written_whole:
                self._dependents.remove(key)
            return DONE
        # Large objects take a while to parse, and expressions to compile: not on the event loop.
        read = await asyncio.to_thread(_read, entry.written.object_json, self._in_cluster)
        references = references_within(entry.key, read.resource)
        # Recorded before it is judged: what appears from now on causes another look.
        self._dependents.put(entry.key, [target_of(entry.key.tenant_id, item) for item in references])
        others = self._world.others(entry.key.tenant_id, references)
        accepted = entry.in_force is entry.written
        if not accepted and await self._judge_again(entry, others):
            # It is in force now, or is refused for something else; that change causes another look.
            return DONE
        if others:
            read = await asyncio.to_thread(beside, read, others, accepted=accepted)
        wanted = conditions.summarize(self._facts(entry, read))
        if not _says_already(read, wanted):
            await self._write(entry, read, wanted)
        return DONE

    async def _judge_again(self, entry: Entry, others: manifests.Others) -> bool:
        """Judges a spec that was refused; True if that changed anything."""
        content = codec.loads(entry.written.object_json)
        wanted = await asyncio.to_thread(manifests.of_object, content)
        if others:
            wanted = await asyncio.to_thread(manifests.judged_with, wanted, others)
        scope = Scope(entry.key.tenant_id, entry.tenant)
        seen = store.Seen(entry.uid, content["metadata"]["generation"])
        written = await self._feed.write(store.judge_again, scope, seen, wanted, self._clock.now())
        return written is None or written.outcome is not store.Outcome.UNCHANGED

    def _facts(self, entry: Entry, read: Read) -> Facts:
        facts = self.facts_of(entry.key, read, accepted=entry.in_force is entry.written)
        return replace(facts, housed=self._housed(entry))

    def facts_of(self, key: Key, read: Read, *, accepted: bool) -> Facts:
        """Returns what the conditions of an object follow from, but for the namespace of a Tenant."""
        resource = read.resource
        findings = self._world.findings(key.tenant_id, references_within(key, resource))
        return Facts(
            accepted=accepted,
            missing=[finding.problem for finding in findings if not finding.pending],
            pending=[finding.problem for finding in findings if finding.pending],
            misfits=read.misfits,
            not_enforced=read.unenforced,
            suspended=key.kind == TENANT and bool(resource.spec.suspended),
            owner_reports_ready=key.kind in STATUS_OWNERS,
        )

    def _housed(self, entry: Entry) -> Condition | None:
        if entry.key.kind != TENANT or not self._in_cluster:
            return None
        content = codec.loads(entry.written.object_json)
        present = content.get("status", {}).get("conditions", [])
        return conditions.housed(present, content["metadata"]["generation"])

    async def _write(self, entry: Entry, read: Read, wanted: list[Condition]) -> None:
        scope = Scope(entry.key.tenant_id, entry.tenant)
        seen = store.Seen(entry.uid, read.resource.metadata.generation or 0)
        fields, now = {UNTYPED: read.untyped}, self._clock.now()
        await self._feed.write(store.set_conditions, scope, entry.key, seen, wanted, fields, now=now)


def _read(object_json: bytes, in_cluster: bool) -> Read:
    return read_alone(parsed.of_json(object_json), in_cluster=in_cluster)


def _says_already(read: Read, wanted: list[Condition]) -> bool:
    """True if the status, as it was read, holds just these conditions for this generation."""
    status, generation = read.resource.status, read.resource.metadata.generation
    if status is None or status.observed_generation != generation:
        return False
    if getattr(status, UNTYPED, []) != read.untyped:
        return False
    present = {item.type: item for item in status.conditions}
    return all(_is(present.get(condition.type), condition, generation) for condition in wanted)


def _is(present: StatusCondition | None, wanted: Condition, generation: int | None) -> bool:
    return present is not None and (
        present.status,
        present.reason,
        present.message,
        present.observed_generation,
    ) == (wanted.status, wanted.reason, wanted.message, generation)
