"""How what people write becomes an object: into our own tables, or (see `kube.writing`) to an API server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from quarterdeck.common.clock import Clock
from quarterdeck.registry import store
from quarterdeck.registry.decisions import Precondition
from quarterdeck.registry.feed import Feed
from quarterdeck.registry.manifests import Manifest
from quarterdeck.registry.records import Key, Scope, object_json
from quarterdeck.registry.store import Outcome, Written
from quarterdeck.v1 import resources_pb2


@dataclass(frozen=True, slots=True)
class Answer:
    """The object after a write (or as it was last, if deleted)."""

    object: resources_pb2.Object
    outcome: Outcome


class Writes(Protocol):
    """Writes on behalf of the caller of the RPC that is being served."""

    async def apply(
        self, scope: Scope, wanted: Manifest, sent: bytes, precondition: Precondition, *, dry_run: bool
    ) -> Answer:
        """Creates or updates an object.

        Args:
            wanted: what was sent, read and judged.
            sent: the manifest as it came, without defaults.

        Raises:
            Conflict, AlreadyExists: the precondition does not hold.
            NotFound: the tenant was removed.
        """

    async def delete(self, scope: Scope, key: Key, precondition: Precondition) -> Answer:
        """Deletes an object.

        Raises:
            NotFound: it is not there.
            Conflict: it is not the version that was to be deleted.
            FailedPrecondition: a Tenant that still has objects.
        """


class TableWrites:
    """Our tables are where the objects are."""

    def __init__(self, feed: Feed, clock: Clock) -> None:
        self._feed = feed
        self._clock = clock

    async def apply(
        self, scope: Scope, wanted: Manifest, sent: bytes, precondition: Precondition, *, dry_run: bool
    ) -> Answer:
        """See `Writes`."""
        now = self._clock.now()
        return answer(await self._feed.write(store.apply, scope, wanted, precondition, now, dry_run=dry_run))

    async def delete(self, scope: Scope, key: Key, precondition: Precondition) -> Answer:
        """See `Writes`."""
        return answer(await self._feed.write(store.delete, scope, key, precondition, self._clock.now()))


def answer(written: Written) -> Answer:
    """Returns what a write to our tables answers."""
    row = written.row
    content = resources_pb2.Object(
        kind=row.key.kind,
        name=row.key.name,
        object_json=object_json(row),
        resource_version=str(row.version),
        revision=row.revision,
    )
    return Answer(content, written.outcome)
