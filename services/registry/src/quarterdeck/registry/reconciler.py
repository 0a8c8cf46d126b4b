"""Keeps conditions true: looks at an object when it, or something that it names, has changed.

One look computes all conditions of an object from what is in memory and writes them if they
differ; whatever happens between the look and the write causes another look.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from quarterdeck.common import codec
from quarterdeck.common.clock import Clock
from quarterdeck.controller.loop import DONE, Result
from quarterdeck.controller.queue import WorkQueue
from quarterdeck.registry import conditions, manifests, parsed, store
from quarterdeck.registry.admission import TENANT, TRIGGER
from quarterdeck.registry.conditions import Condition, Facts, Problem
from quarterdeck.registry.constants import STATUS_OWNERS, UNTYPED
from quarterdeck.registry.dependents import Dependents
from quarterdeck.registry.feed import Feed
from quarterdeck.registry.mirror import Entry
from quarterdeck.registry.records import Change, Key, Scope, is_cluster_scoped
from quarterdeck.registry.world import World, target_of

if TYPE_CHECKING:
    from quarterdeck.resources.metadata import Condition as StatusCondition
    from quarterdeck.resources.metadata import Resource
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

    def start(self) -> None:
        """Asks for a look at every object, and from now on at whatever changes."""
        self._feed.listen(self._changed)
        for entry in self._feed.mirror.entries():
            self._queue.add(entry.key)

    def _changed(self, change: Change) -> None:
        self._queue.add(change.key)
        for holder in self._dependents.of(change.key):
            self._queue.add(holder)
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
            read = await asyncio.to_thread(_beside, read, others, accepted=accepted)
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

    def _facts(self, entry: Entry, read: _Read) -> Facts:
        resource = read.resource
        findings = self._world.findings(entry.key.tenant_id, references_within(entry.key, resource))
        return Facts(
            accepted=entry.in_force is entry.written,
            missing=[finding.problem for finding in findings if not finding.pending],
            pending=[finding.problem for finding in findings if finding.pending],
            misfits=read.misfits,
            not_enforced=read.unenforced,
            suspended=entry.key.kind == TENANT and bool(resource.spec.suspended),
            owner_reports_ready=entry.key.kind in STATUS_OWNERS,
            housed=self._housed(entry),
        )

    def _housed(self, entry: Entry) -> Condition | None:
        if entry.key.kind != TENANT or not self._in_cluster:
            return None
        content = codec.loads(entry.written.object_json)
        present = content.get("status", {}).get("conditions", [])
        return conditions.housed(present, content["metadata"]["generation"])

    async def _write(self, entry: Entry, read: _Read, wanted: list[Condition]) -> None:
        scope = Scope(entry.key.tenant_id, entry.tenant)
        seen = store.Seen(entry.uid, read.resource.metadata.generation or 0)
        fields, now = {UNTYPED: read.untyped}, self._clock.now()
        await self._feed.write(store.set_conditions, scope, entry.key, seen, wanted, fields, now=now)


@dataclass(frozen=True, slots=True)
class _Read:
    """An object, and what its expressions and settings say.

    Args:
        misfits: expressions in force that do not fit the objects that they read.
        unenforced: what nothing enforces yet.
        untyped: paths of expressions that have no type before they run.
    """

    resource: Resource
    misfits: list[Problem]
    unenforced: list[Problem]
    untyped: list[str]


def _read(object_json: bytes, in_cluster: bool) -> _Read:
    from quarterdeck.resources.enforcement import not_enforced

    resource = parsed.of_json(object_json)
    unenforced = [manifests.problem_of(error) for error in not_enforced(resource, in_cluster=in_cluster)]
    return _Read(resource, [], unenforced, parsed.untyped_of(resource, manifests.finder({})))


def _beside(read: _Read, others: manifests.Others, *, accepted: bool) -> _Read:
    """Returns what was read, as it is beside the objects that it names."""
    find = manifests.finder(others)
    # What is not in force says it in its condition Accepted.
    misfits = parsed.misfits_of(read.resource, find) if accepted else []
    problems = [manifests.problem_of(error) for error in misfits]
    return replace(read, misfits=problems, untyped=parsed.untyped_of(read.resource, find))


def references_within(holder: Key, resource: Resource) -> list[Reference]:
    """Returns the references that can be judged here.

    What a cluster-scoped object names in "its" tenant is looked up in each tenant when it is used.
    """
    references = parsed.references_of(resource)
    return [item for item in references if holder.tenant_id or is_cluster_scoped(item.kind)]


def _says_already(read: _Read, wanted: list[Condition]) -> bool:
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
