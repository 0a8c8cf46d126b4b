"""Follows the registry's objects: list, then watch, again and again, with a durable copy.

A service that reads objects "live" (policies, tool servers, routes) reads them from here:
they are at most a watch event old, and survive the registry's absence in the service's
own database.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, LargeBinary, MetaData, String, Table, delete, select

from quarterdeck.common import codec
from quarterdeck.common.database import Database, across_tenants, concerning
from quarterdeck.common.database.upserts import insert_or_update
from quarterdeck.common.errors import QuarterdeckError
from quarterdeck.common.rpc_client import act_for
from quarterdeck.common.service import Platform
from quarterdeck.v1 import resources_pb2, resources_pb2_grpc

RETRY_FIRST, RETRY_MOST = 0.2, 10.0


def objects_table(metadata: MetaData) -> Table:
    """Declares the table of the durable copies in a service's own schema."""
    return Table(
        "watched_objects",
        metadata,
        Column("tenant", String, primary_key=True),
        Column("kind", String, primary_key=True),
        Column("name", String, primary_key=True),
        Column("tenant_id", String, nullable=False),
        Column("revision", String, nullable=False),
        Column("object_json", LargeBinary, nullable=False),
    )


@dataclass(frozen=True, slots=True)
class Watched:
    """A live object: its tenant, and the object as in a manifest (metadata, spec, status)."""

    tenant: str
    tenant_id: str
    kind: str
    name: str
    revision: str
    object: dict[str, Any]

    @property
    def spec(self) -> dict[str, Any]:
        """The object's spec."""
        spec: dict[str, Any] = self.object.get("spec", {})
        return spec


Listener = Callable[[Watched, bool], Awaitable[None]]


class ObjectWatcher:
    """A live view of some kinds over all tenants.

    Args:
        listener: awaited as `listener(object, deleted)` for every change, in order.
    """

    def __init__(
        self,
        platform: Platform,
        database: Database,
        table: Table,
        kinds: Iterable[str],
        listener: Listener | None = None,
    ) -> None:
        self._platform = platform
        self._database = database
        self._table = table
        self._kinds = tuple(kinds)
        self._listener = listener
        self._objects: dict[tuple[str, str, str], Watched] = {}
        self._synced = asyncio.Event()
        self._bookmarked: set[str] = set()

    async def start(self) -> None:
        """Loads the durable copies, then follows the registry in the background."""
        for watched in await self._database.read(_load, self._table, self._kinds):
            self._objects[watched.tenant, watched.kind, watched.name] = watched
            if self._listener is not None:
                await self._listener(watched, False)
        for kind in self._kinds:
            self._platform.spawn(self._follow(kind), f"watch-{kind}")

    async def wait_synced(self, timeout: float) -> bool:
        """Waits until every kind has been listed once; False if that took too long."""
        try:
            async with asyncio.timeout(timeout):
                await self._synced.wait()
        except TimeoutError:
            return False
        return True

    def get(self, tenant: str, kind: str, name: str) -> Watched | None:
        """Returns the live object, or None."""
        return self._objects.get((tenant, kind, name))

    def list(self, tenant: str, kind: str) -> list[Watched]:
        """Returns the tenant's live objects of a kind, by name."""
        found = [w for (t, k, _), w in self._objects.items() if t == tenant and k == kind]
        return sorted(found, key=lambda watched: watched.name)

    async def _follow(self, kind: str) -> None:
        # The view is the service's own, whoever's call happened to start it.
        act_for(None)
        peer = self._platform.peer("registry")
        stub = peer.stub(resources_pb2_grpc.RegistryServiceStub)
        version, delay = "", RETRY_FIRST
        while True:
            seen: set[tuple[str, str, str]] | None = None if version else set()
            try:
                request = resources_pb2.WatchObjectsRequest(kind=kind, resource_version=version)
                async for event in peer.stream(stub.WatchObjects, request):
                    delay = RETRY_FIRST
                    seen = await self._on_event(event, kind, seen)
                    version = event.resource_version or version
            except QuarterdeckError as error:
                if error.reason == "ResourceVersionTooOld":
                    version = ""
                else:
                    self._platform.telemetry.log.info("watch.interrupted", kind=kind, reason=error.message)
            await asyncio.sleep(delay * random.uniform(0.8, 1.2))
            delay = min(delay * 2, RETRY_MOST)

    async def _on_event(
        self, event: resources_pb2.WatchEvent, kind: str, seen: set[tuple[str, str, str]] | None
    ) -> set[tuple[str, str, str]] | None:
        """Applies one event; `seen` collects the first listing, so that deletes missed meanwhile show."""
        if event.type == resources_pb2.WatchEvent.TYPE_BOOKMARK:
            if seen is not None:
                await self._forget_unseen(kind, seen)
            self._bookmarked.add(kind)
            if self._bookmarked >= set(self._kinds):
                self._synced.set()
            return None
        watched = Watched(
            event.tenant,
            event.tenant_id,
            event.object.kind,
            event.object.name,
            event.object.revision,
            codec.loads(event.object.object_json),
        )
        if seen is not None:
            seen.add((watched.tenant, watched.kind, watched.name))
        await self._apply(watched, event.type == resources_pb2.WatchEvent.TYPE_DELETED)
        return seen

    async def _forget_unseen(self, kind: str, seen: set[tuple[str, str, str]]) -> None:
        for key, watched in list(self._objects.items()):
            if key[1] == kind and key not in seen:
                await self._apply(watched, True)

    async def _apply(self, watched: Watched, deleted: bool) -> None:
        key = (watched.tenant, watched.kind, watched.name)
        if deleted:
            self._objects.pop(key, None)
            await self._database.write(_delete, self._table, watched)
        else:
            self._objects[key] = watched
            await self._database.write(_save, self._table, watched)
        if self._listener is not None:
            await self._listener(watched, deleted)


def _load(connection: Connection, table: Table, kinds: tuple[str, ...]) -> list[Watched]:
    across_tenants(connection)
    rows = connection.execute(select(table).where(table.c.kind.in_(kinds))).all()
    return [
        Watched(r.tenant, r.tenant_id, r.kind, r.name, r.revision, codec.loads(r.object_json)) for r in rows
    ]


def _save(connection: Connection, table: Table, watched: Watched) -> None:
    values = {
        "tenant": watched.tenant,
        "kind": watched.kind,
        "name": watched.name,
        "tenant_id": watched.tenant_id,
        "revision": watched.revision,
        "object_json": codec.dumps(watched.object),
    }
    concerning(connection, watched.tenant_id)
    insert_or_update(connection, table, ("tenant", "kind", "name"), values)


def _delete(connection: Connection, table: Table, watched: Watched) -> None:
    concerning(connection, watched.tenant_id)
    key = (table.c.tenant == watched.tenant) & (table.c.kind == watched.kind) & (table.c.name == watched.name)
    connection.execute(delete(table).where(key))
