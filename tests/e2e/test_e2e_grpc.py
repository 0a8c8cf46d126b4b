"""The public gRPC port, seen by a client that knows nothing but its address: reflection tells it the rest."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from e2e_kit.morning import Morning
from e2e_kit.shapes import Shape
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status

SERVICES = {
    "quarterdeck.v1.RegistryService",
    "quarterdeck.v1.RuntimeService",
    "quarterdeck.v1.ApprovalService",
    "quarterdeck.v1.ToolService",
    "quarterdeck.v1.MemoryService",
    "quarterdeck.v1.ModelService",
    "grpc.health.v1.Health",
}


class Reflected:
    """Calls methods by name, with messages that the server itself described."""

    def __init__(self, channel: grpc.Channel, token: str) -> None:
        self.database = ProtoReflectionDescriptorDatabase(channel)
        self._pool = DescriptorPool(self.database)
        self._channel = channel
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()

    def method(self, name: str) -> tuple[Any, Any]:
        """Returns what calls a method, and the class of its request."""
        service, _, short = name.rpartition("/")
        found = self._pool.FindServiceByName(service).methods_by_name[short]
        request, response = GetMessageClass(found.input_type), GetMessageClass(found.output_type)
        kind = self._channel.unary_stream if found.server_streaming else self._channel.unary_unary
        call = kind(
            f"/{name}",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )
        return call, request

    def call(self, name: str, **fields: Any) -> Any:
        """Makes a call; the request's fields are given as in its JSON form."""
        call, request = self.method(name)
        return call(json_format.ParseDict(fields, request()), metadata=self._metadata, timeout=30)


@pytest.fixture
def channel(platform: Shape) -> Iterator[grpc.Channel]:
    """A channel to the public port."""
    with grpc.insecure_channel(platform.endpoint["grpc"]) as one:
        yield one


@pytest.fixture
def reflected(channel: grpc.Channel, platform: Shape) -> Reflected:
    """A client as the administrator."""
    return Reflected(channel, platform.token)


def test_reflection_lists_the_services(reflected: Reflected) -> None:
    assert set(reflected.database.get_services()) >= SERVICES


def test_health_says_serving_without_a_token(channel: grpc.Channel) -> None:
    health: Any = health_pb2_grpc.HealthStub(channel)
    for service in ("", "quarterdeck.v1.RuntimeService"):
        answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=10)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_a_method_is_called_by_what_reflection_said(reflected: Reflected, morning: Morning) -> None:
    run = reflected.call("quarterdeck.v1.RuntimeService/GetRun", tenant="default", runId=morning.run)
    assert (run.id, run.name, run.tenant) == (morning.run, "invoice-matching", "default")
    page = reflected.call(
        "quarterdeck.v1.RuntimeService/ListRuns", tenant="default", parentRunId=morning.run, pageSize=5
    )
    assert len(page.runs) == 5
    assert page.next_page_token


def test_a_stream_begins_where_it_is_told_to(reflected: Reflected, morning: Morning) -> None:
    stream = reflected.call(
        "quarterdeck.v1.RuntimeService/StreamRunEvents",
        tenant="default",
        runId=morning.run,
        afterSeq="3",
        untilWaiting=True,
    )
    found = [event.seq for event in stream if event.seq]
    assert found == list(range(4, 4 + len(found)))
    assert len(found) > 3


def test_an_error_has_details(reflected: Reflected) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        reflected.call("quarterdeck.v1.RuntimeService/GetRun", tenant="default", runId=str(uuid.uuid4()))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    error: Any = caught.value
    status = rpc_status.from_call(error)
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.metadata["field"] == "run_id"


def test_nobody_is_served_without_a_token(channel: grpc.Channel, morning: Morning) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        Reflected(channel, "").call(
            "quarterdeck.v1.RuntimeService/GetRun", tenant="default", runId=morning.run
        )
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_what_is_not_public_is_not_there(channel: grpc.Channel, platform: Shape) -> None:
    call: Any = channel.unary_unary("/quarterdeck.v1.ToolService/GetCall")
    with pytest.raises(grpc.RpcError) as caught:
        call(b"", metadata=(("authorization", f"Bearer {platform.token}"),), timeout=10)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
