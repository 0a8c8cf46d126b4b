"""Follows MemoryCollection objects: keeps a record of each, its engine side, and its status."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from quarterdeck.common import codec
from quarterdeck.common.errors import Internal, QuarterdeckError
from quarterdeck.common.service import Platform
from quarterdeck.common.watching import Watched
from quarterdeck.memory import status, store
from quarterdeck.memory.catalog import Catalog
from quarterdeck.memory.engine.interface import CollectionKey
from quarterdeck.memory.reconcile import Plan, Wanted, plan
from quarterdeck.memory.store import Collection
from quarterdeck.v1 import resources_pb2, resources_pb2_grpc

KIND = "MemoryCollection"


class Controller:
    """Makes collections be as their objects say. `on_object` is an `ObjectWatcher`'s listener.

    Args:
        on_open: told the name of each collection that can be used.
    """

    def __init__(
        self,
        platform: Platform,
        catalog: Catalog,
        on_open: Callable[[str], None],
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._platform = platform
        self._catalog = catalog
        self._on_open = on_open
        self._environment = environment
        # Objects to look at again: their engine or the registry did not answer.
        self._again: dict[tuple[str, str], Watched] = {}
        self._known: dict[tuple[str, str], Watched] = {}

    async def on_object(self, watched: Watched, deleted: bool) -> None:
        """Reconciles one object. Never raises: what is wrong becomes a condition."""
        key = (watched.tenant_id, watched.name)
        self._again.pop(key, None)
        if deleted:
            self._known.pop(key, None)
            now = self._platform.clock.now()
            await self._catalog.database.write(store.mark_deleted, *key, now)
            return
        self._known[key] = watched
        found = await self._status(watched)
        if not await self._report(watched, found):
            self._again[key] = watched

    async def retry(self) -> None:
        """Looks again at what could not be settled."""
        for watched in list(self._again.values()):
            await self.on_object(watched, False)

    async def say_points(self, tenant_id: str, name: str, points: int) -> bool:
        """Writes how many items a collection holds, if its status says otherwise; False to try again."""
        watched = self._known.get((tenant_id, name))
        if watched is None:
            return False
        said = status.recounted(watched.object.get("status") or {}, _generation(watched), points)
        return said is None or await self._write(watched, said)

    async def _status(self, watched: Watched) -> dict[str, Any]:
        try:
            record, points = await self._reconcile(watched)
        except QuarterdeckError as error:
            if error.reason in {"Unavailable", "EngineRestarted", "EngineCrashLoop", "DiskFull"}:
                self._again[watched.tenant_id, watched.name] = watched
            return status.failing(error)
        except Exception as error:
            self._platform.telemetry.log.exception("collection.failed", collection=watched.name)
            return status.failing(Internal(f"{type(error).__name__}: see the service's log"))
        return status.ready(record, points)

    async def _reconcile(self, watched: Watched) -> tuple[Collection, int]:
        wanted = _wanted(watched)
        database = self._catalog.database
        present = await database.read(store.find, wanted.tenant_id, wanted.name)
        decided = plan(wanted, present, await self._items(present, wanted), self._environment)
        if decided.record != present:
            await self._carry_out(decided)
        collection = self._catalog.open(decided.record)
        collection.provider.check()
        self._on_open(decided.record.name)
        if decided.record == present:
            # As it was: the engine need not start for a look at it.
            return decided.record, int((watched.object.get("status") or {}).get("points") or 0)
        await self._catalog.ensure(collection)
        return decided.record, await self._catalog.engine.count(collection.key)

    async def _carry_out(self, decided: Plan) -> None:
        record = decided.record
        if decided.drop_first:
            await self._catalog.drop(record.tenant_id, record.name)
        await self._catalog.database.write(store.save, record)

    async def _items(self, present: Collection | None, wanted: Wanted) -> int:
        """Counts the items, if the answer can matter."""
        if present is None or present.uid != wanted.uid or present.spec_json == wanted.spec_json:
            return 0
        await self._catalog.ensure(self._catalog.open(present))
        return await self._catalog.engine.count(CollectionKey(present.tenant_id, present.name))

    async def _report(self, watched: Watched, found: dict[str, Any]) -> bool:
        """Writes the status if it says anything new; False if the registry did not take it."""
        now = self._platform.clock.now()
        complete = status.completed(found, watched.object.get("status") or {}, _generation(watched), now)
        return complete is None or await self._write(watched, complete)

    async def _write(self, watched: Watched, said: dict[str, Any]) -> bool:
        request = resources_pb2.UpdateStatusRequest(
            tenant=watched.tenant,
            kind=KIND,
            name=watched.name,
            status_json=codec.dumps(said),
            observed_generation=_generation(watched),
        )
        peer = self._platform.peer("registry")
        try:
            await peer.call(peer.stub(resources_pb2_grpc.RegistryServiceStub).UpdateStatus, request)
        except QuarterdeckError as error:
            self._platform.telemetry.log.info("status.not_written", name=watched.name, reason=error.message)
            return error.reason == "NotFound"
        return True


def _generation(watched: Watched) -> int:
    return int(watched.object.get("metadata", {}).get("generation") or 0)


def _wanted(watched: Watched) -> Wanted:
    uid = str(watched.object.get("metadata", {}).get("uid") or "")
    return Wanted(watched.tenant_id, watched.name, uid, watched.spec)
