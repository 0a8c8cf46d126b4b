"""The interceptor: who calls, for whom, what it needs, and how errors travel."""

import asyncio

import grpc
import pytest

from hack.services.proxy import Proxy
from quarterdeck.common import rpc_client, rpc_server
from quarterdeck.common.access import DoorAuthorizer, LocalAuthorizer
from quarterdeck.common.constants import KEEPALIVE_OPTIONS
from quarterdeck.common.errors import (
    Conflict,
    InvalidArgument,
    PermissionDenied,
    Unauthenticated,
    Unavailable,
)
from quarterdeck.common.identity import Principal, current_call
from quarterdeck.common.rpc_client import Peer, act_for
from quarterdeck.common.rpc_errors import from_rpc_error
from quarterdeck.common.service import Platform, open_platform
from quarterdeck.common.settings import PlatformSettings
from quarterdeck.v1 import memory_pb2, memory_pb2_grpc

ADMIN = Principal("local:admin", ("quarterdeck:platform-admins",))


class Servicer(memory_pb2_grpc.MemoryServiceServicer):
    async def SearchMemory(self, request, context):
        return memory_pb2.SearchMemoryResponse(
            items=[memory_pb2.MemoryItem(id=current_call().principal.subject)]
        )

    async def SaveMemory(self, request, context):
        raise InvalidArgument(
            "too many", field="items", hint="send fewer", violations=[("items", "too many")]
        )

    async def GetMemory(self, request, context):
        raise RuntimeError("a secret detail")

    async def DeleteMemory(self, request, context):
        raise Conflict("changed meanwhile", retry_after=1.5)


@pytest.fixture
async def platforms(tmp_path):
    settings = PlatformSettings(data_dir=tmp_path)
    memory, gateway, other = (open_platform(n, settings) for n in ("memory", "gateway", "registry"))
    server = memory.rpc_server(memory_pb2.DESCRIPTOR.services_by_name["MemoryService"])
    memory_pb2_grpc.add_MemoryServiceServicer_to_server(Servicer(), server.grpc)
    await server.start()
    act_for(ADMIN)
    yield memory, gateway, other
    act_for(None)
    await server.stop(0)
    for platform in (memory, gateway, other):
        await platform.close()


def stub(platform: Platform) -> tuple[Peer, memory_pb2_grpc.MemoryServiceStub]:
    peer = platform.peer("memory")
    return peer, peer.stub(memory_pb2_grpc.MemoryServiceStub)


async def test_principal_arrives(platforms):
    peer, memory = stub(platforms[1])
    answer = await peer.call(memory.SearchMemory, memory_pb2.SearchMemoryRequest(tenant="default"))
    assert answer.items[0].id == "local:admin"


async def test_undeclared_service_is_refused(platforms):
    peer, memory = stub(platforms[2])
    with pytest.raises(Unauthenticated) as caught:
        await peer.call(memory.SearchMemory, memory_pb2.SearchMemoryRequest())
    assert caught.value.reason == "CallerNotDeclared"


async def test_a_principal_that_the_services_own_rule_refuses_does_not_get_in(platforms, monkeypatch):
    monkeypatch.setattr(DoorAuthorizer, "authorize", LocalAuthorizer.authorize)
    act_for(Principal("mallory"))
    peer, memory = stub(platforms[1])
    with pytest.raises(PermissionDenied, match="mallory may not search memories/search"):
        await peer.call(memory.SearchMemory, memory_pb2.SearchMemoryRequest(tenant="default"))


async def test_no_token_is_refused(platforms):
    _, memory = stub(platforms[1])
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await memory.SearchMemory(memory_pb2.SearchMemoryRequest())
    assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED


async def test_token_for_another_audience_is_refused(platforms):
    _, memory = stub(platforms[1])
    token = platforms[1].identity.token("registry")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await memory.SearchMemory(
            memory_pb2.SearchMemoryRequest(), metadata=[("authorization", f"Bearer {token}")]
        )
    assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED


async def test_errors_keep_their_details(platforms):
    peer, memory = stub(platforms[1])
    with pytest.raises(InvalidArgument) as caught:
        await peer.call(memory.SaveMemory, memory_pb2.SaveMemoryRequest())
    error = caught.value
    assert (error.message, error.field, error.hint) == ("too many", "items", "send fewer")
    assert error.violations == [("items", "too many")]
    with pytest.raises(Conflict) as conflict:
        await peer.call(memory.DeleteMemory, memory_pb2.DeleteMemoryRequest())
    assert conflict.value.retry_after == pytest.approx(1.5)


async def test_our_own_faults_say_nothing_of_the_inside(platforms):
    peer, memory = stub(platforms[1])
    with pytest.raises(Exception) as caught:
        await peer.call(memory.GetMemory, memory_pb2.GetMemoryRequest())
    assert "secret detail" not in str(caught.value)
    assert "RuntimeError" in str(caught.value)


async def test_calls_are_shared_by_the_replicas_of_an_address(tmp_path):
    settings = PlatformSettings(data_dir=tmp_path)
    platforms, served = [], []

    class Counting(memory_pb2_grpc.MemoryServiceServicer):
        def __init__(self, number):
            self.number = number

        async def SearchMemory(self, request, context):
            served.append(self.number)
            return memory_pb2.SearchMemoryResponse()

    ports = []
    servers = []
    for number in range(2):
        replica = open_platform("memory", settings.model_copy(update={"listen": "127.0.0.1:0"}))
        server = replica.rpc_server(memory_pb2.DESCRIPTOR.services_by_name["MemoryService"])
        memory_pb2_grpc.add_MemoryServiceServicer_to_server(Counting(number), server.grpc)
        await server.start()
        ports.append(server.port)
        platforms.append(replica)
        servers.append(server)
    address = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)
    gateway = open_platform("gateway", settings.model_copy(update={"peers": {"memory": address}}))
    act_for(ADMIN)
    peer, memory = stub(gateway)
    await peer.channel.channel_ready()
    for _ in range(20):
        await peer.call(memory.SearchMemory, memory_pb2.SearchMemoryRequest(tenant="default"))
    act_for(None)
    assert set(served) == {0, 1}
    await servers[0].stop(0)
    await servers[1].stop(0)
    for platform in (*platforms, gateway):
        await platform.close()


class Slow(Servicer):
    def __init__(self):
        self.asked = asyncio.Event()

    async def SearchMemory(self, request, context):
        self.asked.set()
        await asyncio.Event().wait()


async def test_a_peer_that_stops_in_the_middle_of_a_call_is_away(tmp_path):
    """Whoever asked may ask again; nothing is known to be wrong with the question."""
    settings = PlatformSettings(data_dir=tmp_path)
    memory, gateway = open_platform("memory", settings), open_platform("gateway", settings)
    server = memory.rpc_server(memory_pb2.DESCRIPTOR.services_by_name["MemoryService"])
    memory_pb2_grpc.add_MemoryServiceServicer_to_server(slow := Slow(), server.grpc)
    await server.start()
    act_for(ADMIN)
    try:
        peer, stub_ = stub(gateway)
        request = memory_pb2.SearchMemoryRequest(tenant="default")
        call = asyncio.create_task(peer.call(stub_.SearchMemory, request))
        await slow.asked.wait()
        await server.stop(0)
        with pytest.raises(Unavailable):
            await call
    finally:
        act_for(None)
        for platform in (memory, gateway):
            await platform.close()


async def test_a_read_that_its_replica_took_along_is_answered_by_another(tmp_path):
    settings = PlatformSettings(data_dir=tmp_path)
    replicas, servers, slows = [], [], [Slow(), Slow()]
    for servicer in (*slows, Servicer()):
        replica = open_platform("memory", settings.model_copy(update={"listen": "127.0.0.1:0"}))
        server = replica.rpc_server(memory_pb2.DESCRIPTOR.services_by_name["MemoryService"])
        memory_pb2_grpc.add_MemoryServiceServicer_to_server(servicer, server.grpc)
        await server.start()
        replicas.append(replica)
        servers.append(server)
    address = "ipv4:" + ",".join(f"127.0.0.1:{server.port}" for server in servers)
    gateway = open_platform("gateway", settings.model_copy(update={"peers": {"memory": address}}))
    act_for(ADMIN)
    peer, memory = stub(gateway)
    calls = []
    try:
        # The channel is ready with its first connection: until both others stand, calls go where they can.
        async with asyncio.timeout(30):
            while not all(slow.asked.is_set() for slow in slows):
                question = peer.call(memory.SearchMemory, memory_pb2.SearchMemoryRequest(tenant="default"))
                calls.append(asyncio.create_task(question))
                await asyncio.sleep(0.01)
        for server in servers[:2]:
            await server.stop(0)
        assert {(await call).items[0].id for call in calls} == {"local:admin"}
    finally:
        act_for(None)
        await servers[2].stop(0)
        for platform in (*replicas, gateway):
            await platform.close()


async def test_a_write_that_broke_off_is_not_made_again(tmp_path):
    written = []

    class Writing(Servicer):
        async def SaveMemory(self, request, context):
            written.append(request)
            await context.abort(grpc.StatusCode.UNAVAILABLE, "broke off")

        async def SearchMemory(self, request, context):
            written.append(request)
            raise Unavailable("the vectors are away")

    settings = PlatformSettings(data_dir=tmp_path)
    memory, gateway = open_platform("memory", settings), open_platform("gateway", settings)
    server = memory.rpc_server(memory_pb2.DESCRIPTOR.services_by_name["MemoryService"])
    memory_pb2_grpc.add_MemoryServiceServicer_to_server(Writing(), server.grpc)
    await server.start()
    act_for(ADMIN)
    try:
        peer, stub_ = stub(gateway)
        with pytest.raises(Unavailable):
            await peer.call(stub_.SaveMemory, memory_pb2.SaveMemoryRequest(tenant="default"))
        assert len(written) == 1
        with pytest.raises(Unavailable):
            await peer.call(stub_.SearchMemory, memory_pb2.SearchMemoryRequest(tenant="default"))
        assert len(written) == 2, "a peer that answers that something is away was asked once"
    finally:
        act_for(None)
        await server.stop(0)
        for platform in (memory, gateway):
            await platform.close()


async def test_a_peer_that_vanishes_without_a_word_is_given_up(tmp_path, monkeypatch):
    """A call without a limit of its own would otherwise wait for as long as TCP does."""
    # Ten times as impatient as in earnest.
    quick = {name: value // 10 for name, value in KEEPALIVE_OPTIONS}
    options = {**dict(rpc_client.CLIENT_OPTIONS), **quick}
    monkeypatch.setattr(rpc_client, "CLIENT_OPTIONS", tuple(options.items()))
    settings = PlatformSettings(data_dir=tmp_path)
    memory = open_platform("memory", settings.model_copy(update={"listen": "127.0.0.1:0"}))
    server = memory.rpc_server(memory_pb2.DESCRIPTOR.services_by_name["MemoryService"])
    memory_pb2_grpc.add_MemoryServiceServicer_to_server(slow := Slow(), server.grpc)
    await server.start()
    act_for(ADMIN)
    async with Proxy(f"tcp://127.0.0.1:{server.port}") as proxy:
        address = proxy.url.rpartition("@")[2]
        gateway = open_platform("gateway", settings.model_copy(update={"peers": {"memory": address}}))
        peer, stub_ = stub(gateway)
        call = asyncio.create_task(peer.call(stub_.SearchMemory, memory_pb2.SearchMemoryRequest(), None))
        try:
            await slow.asked.wait()
            proxy.stall(True)
            with pytest.raises(Unavailable):
                async with asyncio.timeout(20):
                    await call
        finally:
            proxy.stall(False)
            act_for(None)
            await server.stop(0)
            for platform in (memory, gateway):
                await platform.close()


async def test_a_long_call_over_a_connection_that_is_well_is_left_alone(tmp_path):
    """The server takes as many questions as the client asks: gRPC's own limit would end the connection."""
    assert (
        dict(rpc_server.SERVER_OPTIONS)["grpc.http2.min_recv_ping_interval_without_data_ms"]
        < (dict(rpc_client.CLIENT_OPTIONS)["grpc.keepalive_time_ms"])
    )


@pytest.mark.parametrize(
    ("code", "details"),
    [(grpc.StatusCode.CANCELLED, "CANCELLED"), (grpc.StatusCode.UNKNOWN, "Stream removed")],
)
def test_a_call_that_broke_off_says_nothing_about_the_question(code, details):
    nothing = grpc.aio.Metadata()
    assert isinstance(from_rpc_error(grpc.aio.AioRpcError(code, nothing, nothing, details)), Unavailable)


async def test_a_call_waits_for_a_peer_that_is_on_its_way(tmp_path):
    settings = PlatformSettings(data_dir=tmp_path)
    memory, gateway = open_platform("memory", settings), open_platform("gateway", settings)
    peer, stub_ = stub(gateway)
    request = memory_pb2.SearchMemoryRequest(tenant="default")
    act_for(ADMIN)
    with pytest.raises(Unavailable):
        await peer.call(stub_.SearchMemory, request)
    early = asyncio.create_task(peer.call(stub_.SearchMemory, request))
    server = memory.rpc_server(memory_pb2.DESCRIPTOR.services_by_name["MemoryService"])
    memory_pb2_grpc.add_MemoryServiceServicer_to_server(Servicer(), server.grpc)
    await server.start()
    try:
        assert (await early).items[0].id == "local:admin"
    finally:
        act_for(None)
        await server.stop(0)
        for platform in (memory, gateway):
            await platform.close()
