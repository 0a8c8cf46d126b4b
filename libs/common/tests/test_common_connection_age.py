"""A service asks its peers to connect anew now and then; no call and no stream is lost by it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.common.identity import Principal
from quarterdeck.common.rpc_client import act_for
from quarterdeck.common.service import Platform, open_platform
from quarterdeck.common.settings import PlatformSettings
from quarterdeck.v1 import resources_pb2, resources_pb2_grpc

AGE = 0.4
LONG = 2.0


class Servicer(resources_pb2_grpc.RegistryServiceServicer):
    def __init__(self) -> None:
        self.connections: set[str] = set()

    async def GetObject(self, request: Any, context: Any) -> Any:
        self.connections.add(context.peer())
        await asyncio.sleep(0.01)
        return resources_pb2.Object()

    async def WatchObjects(self, request: Any, context: Any) -> AsyncIterator[Any]:
        for _ in range(10):
            await asyncio.sleep(LONG / 10)
            yield resources_pb2.WatchEvent()


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[Platform, Servicer]]:
    """A gateway whose registry wants new connections all the time, by TCP as in a cluster."""
    keys = tmp_path / "keys"
    there = PlatformSettings(
        data_dir=tmp_path / "a", keys_directory=keys, listen="127.0.0.1:0", connection_age=AGE, plaintext=True
    )
    registry = open_platform("registry", there)
    server = registry.rpc_server(resources_pb2.DESCRIPTOR.services_by_name["RegistryService"])
    servicer = Servicer()
    resources_pb2_grpc.add_RegistryServiceServicer_to_server(servicer, server.grpc)
    await server.start()
    peers = {"registry": f"ipv4:127.0.0.1:{server.port}"}
    gateway = open_platform(
        "gateway", PlatformSettings(data_dir=tmp_path / "b", keys_directory=keys, peers=peers, plaintext=True)
    )
    act_for(Principal("local:admin", ("quarterdeck:platform-admins",)))
    yield gateway, servicer
    act_for(None)
    await gateway.close()
    await server.stop(0)
    await registry.close()


async def test_no_call_fails_while_connections_are_made_anew(served: tuple[Platform, Servicer]) -> None:
    gateway, servicer = served
    peer = gateway.peer("registry")
    stub = peer.stub(resources_pb2_grpc.RegistryServiceStub)
    until = time.monotonic() + LONG
    calls = 0
    while time.monotonic() < until:
        request = resources_pb2.GetObjectRequest(tenant="default", kind="Agent", name="one")
        await asyncio.gather(*(peer.call(stub.GetObject, request, patience=0) for _ in range(4)))
        calls += 4
    assert calls > 20
    assert len(servicer.connections) > 1, "the connection was never made anew"


async def test_a_stream_outlives_its_connections_age(served: tuple[Platform, Servicer]) -> None:
    gateway, _ = served
    peer = gateway.peer("registry")
    stub = peer.stub(resources_pb2_grpc.RegistryServiceStub)
    seen = [
        one
        async for one in peer.stream(stub.WatchObjects, resources_pb2.WatchObjectsRequest(tenant="default"))
    ]
    assert len(seen) == 10
