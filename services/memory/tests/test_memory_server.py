"""The whole service over gRPC, following a registry that speaks the real contract."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.common.errors import FailedPrecondition, InvalidArgument, NotFound, Unauthenticated
from quarterdeck.common.identity import Principal
from quarterdeck.common.management import health, metrics
from quarterdeck.common.proofs.holders import RunClaim, Uses
from quarterdeck.common.proofs.keys import KeyDirectory
from quarterdeck.common.proofs.signing import WorkloadIdentity
from quarterdeck.common.rpc_client import Peer, act_for
from quarterdeck.common.service import Platform, Service, open_platform
from quarterdeck.common.settings import PlatformSettings
from quarterdeck.memory.main import build
from quarterdeck.v1 import memory_pb2, memory_pb2_grpc, resources_pb2, resources_pb2_grpc

TENANTS = {"acme": str(uuid.uuid4()), "globex": str(uuid.uuid4())}


class Registry(resources_pb2_grpc.RegistryServiceServicer):
    """The part of the registry's contract that this service uses, in memory."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        self.watchers: list[asyncio.Queue[resources_pb2.WatchEvent]] = []
        self.version = 0
        self.status_refused = 0

    def apply(self, tenant: str, name: str, spec: dict[str, Any], uid: str = "") -> None:
        known = self.objects.get((tenant, name), {}).get("metadata", {})
        metadata = {
            "name": name,
            "uid": uid or known.get("uid") or str(uuid.uuid4()),
            "generation": known.get("generation", 0) + 1,
        }
        status = self.objects.get((tenant, name), {}).get("status", {})
        self.objects[tenant, name] = {"metadata": metadata, "spec": spec, "status": status}
        self.tell(resources_pb2.WatchEvent.TYPE_MODIFIED, tenant, name)

    def delete(self, tenant: str, name: str) -> None:
        self.tell(resources_pb2.WatchEvent.TYPE_DELETED, tenant, name)
        del self.objects[tenant, name]

    def tell(self, kind: Any, tenant: str, name: str) -> None:
        for watcher in self.watchers:
            watcher.put_nowait(self.event(kind, tenant, name))

    def event(self, kind: Any, tenant: str, name: str) -> resources_pb2.WatchEvent:
        self.version += 1
        data = json.dumps(self.objects[tenant, name]).encode()
        stored = resources_pb2.Object(kind="MemoryCollection", name=name, object_json=data)
        return resources_pb2.WatchEvent(
            type=kind,
            object=stored,
            resource_version=str(self.version),
            tenant=tenant,
            tenant_id=TENANTS[tenant],
        )

    def ready(self, tenant: str, name: str) -> dict[str, Any]:
        conditions = self.objects[tenant, name]["status"].get("conditions", [])
        generation = self.objects[tenant, name]["metadata"]["generation"]
        found = [c for c in conditions if c["type"] == "Ready" and c["observedGeneration"] == generation]
        return found[0] if found else {}

    async def WatchObjects(self, request: Any, context: Any) -> AsyncIterator[resources_pb2.WatchEvent]:
        queue: asyncio.Queue[resources_pb2.WatchEvent] = asyncio.Queue()
        self.watchers.append(queue)
        for tenant, name in self.objects:
            yield self.event(resources_pb2.WatchEvent.TYPE_ADDED, tenant, name)
        bookmark = resources_pb2.WatchEvent.TYPE_BOOKMARK
        yield resources_pb2.WatchEvent(type=bookmark, resource_version=str(self.version))
        while True:
            yield await queue.get()

    async def UpdateStatus(self, request: Any, context: Any) -> resources_pb2.Object:
        if self.status_refused:
            self.status_refused -= 1
            from quarterdeck.common.errors import Unavailable

            raise Unavailable("not now")
        stored = self.objects[request.tenant, request.name]
        stored["status"] = {**stored["status"], **json.loads(request.status_json)}
        self.tell(resources_pb2.WatchEvent.TYPE_MODIFIED, request.tenant, request.name)
        return resources_pb2.Object()

    async def GetTenant(self, request: Any, context: Any) -> resources_pb2.TenantRecord:
        if request.tenant not in TENANTS:
            raise NotFound(f"no tenant {request.tenant}")
        return resources_pb2.TenantRecord(name=request.tenant, id=TENANTS[request.tenant])


class Memory:
    """A caller of the service."""

    def __init__(self, settings: PlatformSettings, caller: str = "agent-runtime") -> None:
        self.identity = WorkloadIdentity(caller, KeyDirectory(settings.keys_dir()))
        self.peer = Peer("memory", settings.address_of("memory"), self.identity)
        self.stub = self.peer.stub(memory_pb2_grpc.MemoryServiceStub)

    def _act(self, tenant: str) -> None:
        uses = Uses(writes=frozenset({"invoices"}))
        act_for(RunClaim(Principal("corp:anna"), tenant, TENANTS.get(tenant, ""), "run-1", 1, uses))

    async def save(self, tenant: str, item_id: str, text: str, payload: Any = None) -> list[str]:
        self._act(tenant)
        item = memory_pb2.MemoryItem(id=item_id, text=text)
        if payload is not None:
            item.payload_json = json.dumps(payload).encode()
        request = memory_pb2.SaveMemoryRequest(tenant=tenant, collection="invoices", items=[item])
        return list((await self.peer.call(self.stub.SaveMemory, request)).ids)

    async def search(self, tenant: str, query: str, where: Any = None, limit: int = 0) -> Any:
        self._act(tenant)
        request = memory_pb2.SearchMemoryRequest(
            tenant=tenant, collection="invoices", query=query, limit=limit
        )
        if where is not None:
            request.filter_json = json.dumps(where).encode()
        return await self.peer.call(self.stub.SearchMemory, request)

    async def close(self) -> None:
        await self.peer.close()
        self.identity.close()


async def until(holds: Callable[[], bool]) -> None:
    """Waits until something is so, ten seconds at most."""
    for _ in range(500):
        if holds():
            return
        await asyncio.sleep(0.02)
    raise TimeoutError


class Running:
    """The service and what it needs, started."""

    def __init__(self, settings: PlatformSettings) -> None:
        self.settings = settings
        self.registry = Registry()  # type: ignore[abstract]
        self._registry_platform = open_platform("registry", settings)
        self.server = self._registry_platform.rpc_server(
            resources_pb2.DESCRIPTOR.services_by_name["RegistryService"]
        )
        resources_pb2_grpc.add_RegistryServiceServicer_to_server(self.registry, self.server.grpc)
        self.platform: Platform
        self.service: Service
        self.caller = Memory(settings)

    async def start(self) -> None:
        await self.server.start()
        await self.start_service()

    async def start_service(self) -> None:
        self.platform = open_platform("memory", self.settings)
        self.service = await build(self.platform)
        await self.service.start()

    async def stop_service(self) -> None:
        await self.service.stop(1)
        await self.platform.close()

    async def stop(self) -> None:
        await self.stop_service()
        await self.caller.close()
        await self.server.stop(0)
        await self._registry_platform.close()

    async def ready(self, tenant: str, name: str) -> dict[str, Any]:
        """Waits for the condition of the object's present generation."""
        await until(lambda: bool(self.registry.ready(tenant, name)))
        return self.registry.ready(tenant, name)


@pytest.fixture
async def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr("quarterdeck.memory.main.RECOUNT_INTERVAL", 0.05)
    running = Running(PlatformSettings(data_dir=tmp_path))
    await running.start()
    yield running
    await running.stop()


PAYLOAD = {"payload": {"vendor": "keyword", "invoice_id": "integer"}}


async def test_applied_saved_found_and_deleted(running: Running) -> None:
    running.registry.apply("acme", "invoices", PAYLOAD)
    condition = await running.ready("acme", "invoices")
    assert (condition["status"], condition["reason"]) == ("True", "Available")
    assert "lexical" in condition["message"]
    status = running.registry.objects["acme", "invoices"]["status"]
    assert (status["points"], status["embedding"], status["dimensions"]) == (0, "lexical", 1536)
    memory = running.caller
    counters = metrics([running.platform]).decode()
    assert 'memory_cache_hit_total{collection="invoices"} 0.0' in counters
    assert 'memory_cache_miss_total{collection="invoices"} 0.0' in counters
    assert await memory.save("acme", "a", "SNCB ticket", {"vendor": "SNCB", "invoice_id": 7}) == ["a"]
    await memory.save("acme", "b", "Delhaize groceries", {"vendor": "D"})
    found = await memory.search("acme", "SNCB", {"vendor": {"in": ["SNCB", "X"]}})
    assert [item.id for item in found.items] == ["a"]
    assert json.loads(found.items[0].payload_json) == {"vendor": "SNCB", "invoice_id": 7}
    assert found.items[0].score == pytest.approx(1.0)
    assert 0 < found.items[0].similarity < 0.99
    assert found.items[0].created_at.endswith("Z")
    again = await memory.search("acme", "SNCB", {"vendor": {"in": ["SNCB", "X"]}})
    assert again.cached and again.items == found.items
    got = await memory.peer.call(
        memory.stub.GetMemory, memory_pb2.GetMemoryRequest(tenant="acme", collection="invoices", id="b")
    )
    assert got.text == "Delhaize groceries"
    stats = await memory.peer.call(
        memory.stub.GetCollectionStats,
        memory_pb2.GetCollectionStatsRequest(tenant="acme", collection="invoices"),
    )
    assert (stats.items, stats.embedding, stats.dimension) == (2, "lexical/v1", 1536)
    request = memory_pb2.DeleteMemoryRequest(
        tenant="acme", collection="invoices", filter_json=b'{"vendor": "D"}'
    )
    assert (await memory.peer.call(memory.stub.DeleteMemory, request)).deleted == 1
    text = metrics([running.platform]).decode()
    assert 'memory_cache_hit_total{collection="invoices"} 1.0' in text
    assert 'memory_cache_miss_total{collection="invoices"} 1.0' in text
    checks = (await health(running.platform))[1]["checks"]
    assert checks == {"redis": "ok", "bus": "ok", "db": "ok", "vectors": "ok"}


async def test_the_status_follows_the_number_of_items(running: Running) -> None:
    def said() -> dict[str, Any]:
        status: dict[str, Any] = running.registry.objects["acme", "invoices"]["status"]
        return status

    running.registry.apply("acme", "invoices", PAYLOAD)
    before = await running.ready("acme", "invoices")
    await running.caller.save("acme", "a", "SNCB ticket")
    await running.caller.save("acme", "b", "Delhaize groceries")
    await until(lambda: said()["points"] == 2)
    request = memory_pb2.DeleteMemoryRequest(tenant="acme", collection="invoices", ids=["a"])
    await running.caller.peer.call(running.caller.stub.DeleteMemory, request)
    await until(lambda: said()["points"] == 1)
    assert (said()["embedding"], said()["dimensions"]) == ("lexical", 1536)
    assert await running.ready("acme", "invoices") == before
    # A number that is known is not written again.
    version = running.registry.version
    await asyncio.sleep(0.3)
    assert running.registry.version == version


async def test_everything_survives_a_restart(running: Running) -> None:
    running.registry.apply("acme", "invoices", PAYLOAD)
    await running.ready("acme", "invoices")
    await running.caller.save("acme", "a", "SNCB ticket")
    await running.caller.search("acme", "SNCB")
    await running.stop_service()
    running.registry.watchers.clear()
    await running.start_service()
    found = await running.caller.search("acme", "SNCB")
    assert [item.id for item in found.items] == ["a"]


async def test_errors_name_the_field_across_the_wire(running: Running) -> None:
    running.registry.apply("acme", "invoices", PAYLOAD)
    await running.ready("acme", "invoices")
    with pytest.raises(InvalidArgument) as filtered:
        await running.caller.search("acme", "x", {"vendr": "y"})
    assert filtered.value.field == "filter.vendr"
    assert "vendor" in filtered.value.hint
    with pytest.raises(InvalidArgument) as saved:
        await running.caller.save("acme", "a", "x", {"invoice_id": "seven"})
    assert saved.value.field == "items[0].payload.invoice_id"
    with pytest.raises(NotFound):
        await running.caller.search("globex", "x")
    with pytest.raises(NotFound):
        await running.caller.search("nobody", "x")


async def test_only_declared_services_may_call(running: Running) -> None:
    stranger = Memory(running.settings, "mcp-manager")
    with pytest.raises(Unauthenticated):
        await stranger.search("acme", "x")
    await stranger.close()


async def test_a_dimension_that_changes_is_a_condition_and_the_old_one_goes_on(running: Running) -> None:
    running.registry.apply("acme", "invoices", {"vector": {"size": 64}})
    await running.ready("acme", "invoices")
    await running.caller.save("acme", "a", "SNCB ticket")
    running.registry.apply("acme", "invoices", {"vector": {"size": 128}})
    condition = await running.ready("acme", "invoices")
    assert (condition["status"], condition["reason"]) == ("False", "DimensionMismatch")
    assert "64" in condition["message"]
    assert "128" in condition["message"]
    assert len((await running.caller.search("acme", "SNCB")).items) == 1
    running.registry.apply("acme", "invoices", {"vector": {"size": 64}})
    assert (await running.ready("acme", "invoices"))["status"] == "True"


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"payload": {"x": "geo"}}, "NotSupported"),
        ({"embedding": {"provider": "openai"}}, "CredentialMissing"),
        ({"embedding": {"provider": "sentenceTransformers"}}, "ExtraMissing"),
    ],
)
async def test_what_cannot_be_is_a_condition(running: Running, spec: dict[str, Any], reason: str) -> None:
    running.registry.apply("acme", "invoices", spec)
    running.registry.apply("acme", "other", {})
    condition = await running.ready("acme", "invoices")
    assert (condition["status"], condition["reason"]) == ("False", reason)
    assert (await running.ready("acme", "other"))["status"] == "True"


async def test_deleted_and_made_again_begins_empty(running: Running) -> None:
    running.registry.apply("acme", "invoices", {})
    await running.ready("acme", "invoices")
    await running.caller.save("acme", "a", "SNCB ticket")
    running.registry.delete("acme", "invoices")
    async with asyncio.timeout(5):
        while True:
            try:
                await running.caller.search("acme", "SNCB")
            except NotFound:
                break
            await asyncio.sleep(0.02)
    running.registry.apply("acme", "invoices", {})
    await running.ready("acme", "invoices")
    assert len((await running.caller.search("acme", "SNCB")).items) == 0


async def test_a_status_that_was_not_taken_is_written_later(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.registry.status_refused = 1
    running.registry.apply("acme", "invoices", {})
    await until(lambda: not running.registry.status_refused)
    assert running.registry.ready("acme", "invoices") == {}
    await running.service._controller.retry()  # type: ignore[attr-defined]
    assert (await running.ready("acme", "invoices"))["status"] == "True"


async def test_a_broken_collection_is_its_own_condition(running: Running, tmp_path: Path) -> None:
    running.registry.apply("acme", "invoices", {})
    running.registry.apply("acme", "other", {})
    for name in ("invoices", "other"):
        await running.ready("acme", name)
    await running.caller.save("acme", "a", "SNCB ticket")
    await running.stop_service()
    (tmp_path / "memory" / TENANTS["acme"] / "invoices" / "collection.json").write_text("{")
    await running.start_service()
    with pytest.raises(FailedPrecondition) as caught:
        await running.caller.search("acme", "SNCB")
    assert caught.value.reason == "CorruptCollection"
    running.registry.apply("acme", "invoices", {"payload": {"a": "keyword"}})
    running.registry.apply("acme", "other", {"payload": {"a": "keyword"}})
    assert (await running.ready("acme", "invoices"))["reason"] == "CorruptCollection"
    assert (await running.ready("acme", "other"))["status"] == "True"


def test_a_cold_start_imports_nothing_heavy() -> None:
    import subprocess
    import sys

    program = "import quarterdeck.memory.main, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heavy = {"qdrant_edge", "openai", "sentence_transformers", "numpy", "fakeredis", "redis", "alembic"}
    assert heavy.isdisjoint(loaded.stdout.split())
