"""gRPC at the door."""

import asyncio

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from quarterdeck.common.errors import InvalidArgument, PermissionDenied
from quarterdeck.common.rpc_errors import from_rpc_error
from quarterdeck.gateway.grpc_server import PublicRpcs
from quarterdeck.gateway.methods import method_table
from quarterdeck.gateway.proto_fields import proto_field
from quarterdeck.v1 import memory_pb2, resources_pb2, resources_pb2_grpc, runs_pb2, runs_pb2_grpc


@pytest.fixture
async def channel(house):
    async with grpc.aio.insecure_channel(f"127.0.0.1:{house.gateway.grpc_port}") as channel:
        yield channel


@pytest.fixture
def token(house):
    return [("authorization", f"Bearer {house.token}")]


async def test_health_and_reflection_are_open(channel):
    health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    assert health.status == health_pb2.HealthCheckResponse.SERVING
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
    listed = {item.name for item in (await call.read()).list_services_response.service}
    assert {"quarterdeck.v1.RuntimeService", "quarterdeck.v1.RegistryService"} <= listed
    call.cancel()


def test_every_public_rpc_is_offered_and_no_other():
    class Details:
        def __init__(self, method):
            self.method = method

    rpcs = PublicRpcs(None, None, None, None)
    table = method_table()
    assert len(table) > 35
    hidden = {path.rsplit("/", 1)[1] for path in table if rpcs.service(Details(path)) is None}
    inside = {
        "ActAsAccount",
        "UpdateStatus",
        "ResolveClosure",
        "GetTenant",
        "GetCall",
        "WatchCall",
        "CancelCall",
        "SealCalls",
    }
    assert hidden == inside
    assert rpcs.service(Details("/quarterdeck.v1.Nothing/Nothing")) is None


async def test_a_call_goes_through_for_its_principal(house, channel, token):
    house.runtime.answers["GetRun"] = house.run()
    run = await runs_pb2_grpc.RuntimeServiceStub(channel).GetRun(
        runs_pb2.GetRunRequest(tenant="default", run_id="r1"), metadata=token
    )
    assert run == house.run()


async def test_fields_that_we_do_not_know_survive(house, channel, token):
    house.runtime.answers["GetRun"] = house.run()
    raw = runs_pb2.GetRunRequest(tenant="default", run_id="r1").SerializeToString() + b"\xc2\x3e\x03new"
    await channel.unary_unary("/quarterdeck.v1.RuntimeService/GetRun")(raw, metadata=token)
    assert b"new" in house.runtime.last(runs_pb2.GetRunRequest).SerializeToString()


@pytest.mark.parametrize("metadata", [[], [("authorization", "Bearer qd_wrong")]])
async def test_without_a_token_nothing_goes_through(house, channel, metadata):
    stub = runs_pb2_grpc.RuntimeServiceStub(channel)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetRun(runs_pb2.GetRunRequest(tenant="default"), metadata=metadata)
    assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for _ in stub.StreamRunEvents(runs_pb2.StreamRunEventsRequest(), metadata=metadata):
            pass
    assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
    assert not house.runtime.asked


async def test_what_is_not_public_is_not_there(channel, token):
    stub = resources_pb2_grpc.RegistryServiceStub(channel)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetTenant(resources_pb2.GetTenantRequest(tenant="default"), metadata=token)
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


async def test_details_of_errors_pass_through(house, channel, token):
    house.runtime.answers["StartRun"] = InvalidArgument(
        "bad input", field="input.month", hint="send a number", violations=[("input.month", "not a number")]
    )
    stub = runs_pb2_grpc.RuntimeServiceStub(channel)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.StartRun(runs_pb2.StartRunRequest(tenant="default"), metadata=token)
    assert caught.value.details() == "bad input"
    trailers = dict(caught.value.trailing_metadata())
    details = status_pb2.Status.FromString(trailers["grpc-status-details-bin"]).details
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert details[0].Unpack(info) and details[1].Unpack(bad)
    assert info.metadata["hint"] == "send a number"
    assert bad.field_violations[0].field == info.metadata["field"] == "input_json.month"


@pytest.mark.parametrize(
    ("request_type", "field", "named"),
    [
        (runs_pb2.ListRunsRequest, "continue", "page_token"),
        (runs_pb2.ListRunsRequest, "limit", "page_size"),
        (runs_pb2.ListRunsRequest, "labelSelector", "label_selector"),
        (runs_pb2.ListRunsRequest, "orderBy", "order_by"),
        (runs_pb2.StartRunRequest, "input.lines[2].sum", "input_json.lines[2].sum"),
        (runs_pb2.StartRunRequest, "labels.team", "labels.team"),
        (runs_pb2.GetRunRequest, "runId", "run_id"),
        (memory_pb2.SearchMemoryRequest, "limit", "limit"),
        (memory_pb2.SearchMemoryRequest, "filter.vendor", "filter_json.vendor"),
        (runs_pb2.GetRunRequest, "spec.nodes[0]", "spec.nodes[0]"),
        (runs_pb2.GetRunRequest, "", ""),
    ],
)
def test_fields_have_the_names_of_the_contract(request_type, field, named):
    assert proto_field(request_type.DESCRIPTOR, field) == named


async def test_a_page_error_names_the_field_of_the_request(house, channel, token):
    house.runtime.answers["ListRuns"] = InvalidArgument("not a token", field="continue", hint="start over")
    stub = runs_pb2_grpc.RuntimeServiceStub(channel)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.ListRuns(runs_pb2.ListRunsRequest(tenant="default", page_token="?"), metadata=token)
    error = from_rpc_error(caught.value)
    assert (error.field, error.hint) == ("page_token", "start over")
    assert error.violations == [("page_token", "not a token")]


async def test_what_is_no_message_is_refused_at_the_door(house, channel, token):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary("/quarterdeck.v1.RuntimeService/GetRun")(b"\xff\xff", metadata=token)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert not house.runtime.asked


async def test_a_stream_ends_when_its_reader_may_not_read_any_more(house, channel, token):
    async def endless():
        yield house.event(1, "run.started")
        await asyncio.sleep(60)

    async def authorize(*_question):
        raise PermissionDenied("not any more")

    house.runtime.answers["StreamRunEvents"] = lambda request: endless()
    stub = runs_pb2_grpc.RuntimeServiceStub(channel)
    stream = stub.StreamRunEvents(runs_pb2.StreamRunEventsRequest(run_id="r1"), metadata=token)
    assert (await stream.read()).seq == 1
    house.platform.authorizer.authorize = authorize
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await asyncio.wait_for(stream.read(), 5)
    assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED
    await house.eventually(lambda: house.runtime.streams_open == 0)


async def test_streams_pass_and_a_client_that_leaves_ends_them(house, channel, token):
    async def endless(request):
        for seq in range(1, 1000):
            yield house.event(seq, "step.started")
            await asyncio.sleep(0.02)

    house.runtime.answers["StreamRunEvents"] = endless
    stub = runs_pb2_grpc.RuntimeServiceStub(channel)
    call = stub.StreamRunEvents(runs_pb2.StreamRunEventsRequest(tenant="default"), metadata=token)
    assert (await call.read()).seq == 1
    assert (await call.read()).seq == 2
    call.cancel()
    await house.eventually(lambda: house.runtime.streams_open == 0)


async def test_streams_end_when_the_service_stops(house, channel, token):
    async def endless(request):
        yield house.event(1, "run.started")
        await asyncio.sleep(30)

    house.runtime.answers["StreamRunEvents"] = endless
    stub = runs_pb2_grpc.RuntimeServiceStub(channel)
    call = stub.StreamRunEvents(runs_pb2.StreamRunEventsRequest(tenant="default"), metadata=token)
    assert (await call.read()).seq == 1
    async with asyncio.timeout(5):
        await house.gateway._grpc.stop(30)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    await house.eventually(lambda: house.runtime.streams_open == 0)


async def test_a_deadline_travels_with_the_call(house, channel, token):
    house.runtime.answers["GetRun"] = lambda request: asyncio.sleep(5)
    stub = runs_pb2_grpc.RuntimeServiceStub(channel)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetRun(runs_pb2.GetRunRequest(tenant="default"), metadata=token, timeout=0.2)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
