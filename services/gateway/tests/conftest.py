"""A gateway on real ports, in front of small gRPC servers that stand for the other services."""

from __future__ import annotations

import asyncio
import logging
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from quarterdeck.common.errors import NotFound
from quarterdeck.common.service import Platform, open_platform
from quarterdeck.common.settings import PlatformSettings
from quarterdeck.gateway.config import GatewaySettings
from quarterdeck.gateway.main import Gateway, build
from quarterdeck.gateway.methods import OWNERS
from quarterdeck.v1 import (
    approvals_pb2,
    approvals_pb2_grpc,
    bus_pb2_grpc,
    memory_pb2_grpc,
    models_pb2_grpc,
    resources_pb2,
    resources_pb2_grpc,
    runs_pb2,
    runs_pb2_grpc,
    tools_pb2_grpc,
)

# What several modules share is in the package gateway_kit.
sys.path.insert(0, str(Path(__file__).resolve().parent))

TENANT_ID = "0199d7c2-6d0e-7c41-9f0a-000000000001"


class FakeService:
    """Answers each RPC with what a test put into `answers`, and remembers what was asked.

    An answer is a message, an exception to raise, a list of messages to stream, or a function.
    """

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.answers: dict[str, Any] = {}
        self.streams_open = 0

    def last(self, kind: type[Any]) -> Any:
        """Returns the last request of a type."""
        return next(request for request in reversed(self.asked) if isinstance(request, kind))

    def count(self, kind: type[Any]) -> int:
        """Returns how many requests of a type came."""
        return sum(isinstance(request, kind) for request in self.asked)

    def answer(self, name: str, request: Any) -> Any:
        self.asked.append(request)
        found = self.answers.get(name)
        if callable(found):
            found = found(request)
        if isinstance(found, Exception):
            raise found
        if found is None:
            raise NotFound(f"nothing was prepared for {name}")
        return found

    async def stream(self, name: str, request: Any) -> AsyncIterator[Any]:
        self.streams_open += 1
        try:
            found = self.answer(name, request)
            if hasattr(found, "__aiter__"):
                async for item in found:
                    yield item
                return
            for item in found:
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            self.streams_open -= 1


def fake(base: type[Any], *streaming: str) -> Any:
    """Returns a servicer of the contract `base` that answers from a FakeService."""

    def unary(name: str) -> Any:
        async def call(self: Any, request: Any, context: Any) -> Any:
            found = self.answer(name, request)
            return await found if asyncio.iscoroutine(found) else found

        return call

    def stream(name: str) -> Any:
        async def call(self: Any, request: Any, context: Any) -> AsyncIterator[Any]:
            async for item in self.stream(name, request):
                yield item

        return call

    names = [name for name in vars(base) if name[0].isupper()]
    body = {name: stream(name) if name in streaming else unary(name) for name in names}
    return type(f"Fake{base.__name__}", (FakeService, base), body)()


def run_message(**more: Any) -> runs_pb2.Run:
    """Returns a run."""
    values = {
        "id": "0199d7c2-0000-7000-8000-000000000001",
        "tenant": "default",
        "kind": "Workflow",
        "name": "match",
        "state": runs_pb2.RUN_STATE_TIMED_OUT,
        "input_json": b'{"n":9007199254740993}',
        "cost_micro_usd": 1500,
        "item_index": -1,
        "labels": {"team": "books"},
        "created_at": "2025-03-01T09:00:00.000Z",
    }
    return runs_pb2.Run(**{**values, **more})


def event(seq: int, type: str, data: bytes = b"{}") -> runs_pb2.RunEvent:
    """Returns a journal event."""
    return runs_pb2.RunEvent(run_id="r1", seq=seq, type=type, data_json=data, at="2025-03-01T09:00:00.000Z")


def approval_message(**more: Any) -> approvals_pb2.Approval:
    """Returns an approval."""
    values = {
        "id": "a1",
        "tenant": "default",
        "run_id": "child",
        "root_run_id": "r1",
        "title": "Book 119.00",
        "data_json": b'{"amount":119}',
        "data_hash": "9f2c",
        "state": approvals_pb2.APPROVAL_STATE_OPEN,
        "source": "tool",
    }
    return approvals_pb2.Approval(**{**values, **more})


def frames(text: str) -> list[dict[str, str]]:
    """Reads server-sent events; comments and `retry` are left out."""
    found = []
    for block in text.split("\n\n"):
        fields = [line.partition(": ") for line in block.splitlines() if not line.startswith((":", "retry"))]
        if fields:
            found.append({name: value for name, _, value in fields})
    return found


async def eventually(condition: Any, timeout: float = 5.0) -> None:
    """Waits until `condition()` is true."""
    async with asyncio.timeout(timeout):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@dataclass
class House:
    """The gateway and the services behind it."""

    gateway: Gateway
    platform: Platform
    client: httpx.AsyncClient
    token: str
    registry: Any
    runtime: Any
    approvals: Any
    models: Any
    tools: Any
    memory: Any
    bus: Any
    platforms: dict[str, Platform] = field(default_factory=dict)

    run = staticmethod(run_message)
    event = staticmethod(event)
    approval = staticmethod(approval_message)
    frames = staticmethod(frames)
    eventually = staticmethod(eventually)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.gateway.http_port}"


SERVICERS = {
    "RegistryService": (resources_pb2_grpc, ("WatchObjects",)),
    "RuntimeService": (runs_pb2_grpc, ("StreamRunEvents", "GetArtifact", "ExportRun")),
    "ApprovalService": (approvals_pb2_grpc, ()),
    "ModelService": (models_pb2_grpc, ("GenerateModel",)),
    "ToolService": (tools_pb2_grpc, ("WatchCall",)),
    "MemoryService": (memory_pb2_grpc, ()),
    "BusService": (bus_pb2_grpc, ()),
}


async def _serve(platforms: dict[str, Platform]) -> tuple[dict[str, Any], list[Any]]:
    fakes: dict[str, Any] = {}
    servers = []
    for owner in sorted({owner for owner, _ in OWNERS.values()} - {"gateway"}):
        names = [name for name, (o, _) in OWNERS.items() if o == owner]
        descriptors = [OWNERS[name][1].DESCRIPTOR.services_by_name[name] for name in names]
        server = platforms[owner].rpc_server(*descriptors)
        for name in names:
            module, streaming = SERVICERS[name]
            fakes[name] = fake(getattr(module, f"{name}Servicer"), *streaming)
            getattr(module, f"add_{name}Servicer_to_server")(fakes[name], server.grpc)
        await server.start()
        servers.append(server)
    return fakes, servers


@pytest.fixture(autouse=True)
def plain_logs() -> Iterator[None]:
    """Logs errors alone, without the frames' variables."""
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
    )
    yield
    structlog.reset_defaults()


@pytest.fixture
def gateway_settings() -> GatewaySettings:
    return GatewaySettings(
        http_port=0, grpc_port=0, heartbeat=0.15, reauthorize=0.1, max_body_bytes=64 * 1024
    )


@pytest.fixture
async def house(tmp_path: Any, gateway_settings: GatewaySettings) -> AsyncIterator[House]:
    settings = PlatformSettings(data_dir=tmp_path)
    names = ("gateway", "registry", "agent-runtime", "mcp-manager", "memory")
    platforms = {name: open_platform(name, settings) for name in names}
    fakes, servers = await _serve(platforms)
    fakes["RegistryService"].answers["GetTenant"] = resources_pb2.TenantRecord(name="default", id=TENANT_ID)
    fakes["RegistryService"].answers["WatchObjects"] = _quiet
    gateway = await build(platforms["gateway"], [platforms["memory"]], gateway_settings)
    await gateway.start()
    token = (tmp_path / "admin-token").read_text().strip()
    client = httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{gateway.http_port}",
        headers={"Authorization": f"Bearer {token}"},
        timeout=10,
    )
    async with client:
        yield House(
            gateway,
            platforms["gateway"],
            client,
            token,
            fakes["RegistryService"],
            fakes["RuntimeService"],
            fakes["ApprovalService"],
            fakes["ModelService"],
            fakes["ToolService"],
            fakes["MemoryService"],
            fakes["BusService"],
            platforms,
        )
    await gateway.stop(1)
    for platform in platforms.values():
        await platform.close()
    for server in servers:
        await server.stop(0)
    shutil.rmtree(settings.sockets_dir(), ignore_errors=True)


async def _quiet(request: Any) -> AsyncIterator[Any]:
    """A watch that says that there is nothing, and stays."""
    yield resources_pb2.WatchEvent(type=resources_pb2.WatchEvent.TYPE_BOOKMARK, resource_version="1")
    await asyncio.sleep(3600)
