"""Who one is and what one may do, by gRPC: the same answers as by REST."""

import grpc
import pytest
from gateway_kit.doors import T, open_door

from quarterdeck.v1 import authorization_pb2, authorization_pb2_grpc


@pytest.fixture
async def door(tmp_path):
    async with open_door(tmp_path) as opened:
        yield opened


@pytest.fixture
async def stub(door):
    async with grpc.aio.insecure_channel(f"127.0.0.1:{door.gateway.grpc_port}") as channel:
        yield authorization_pb2_grpc.AccessServiceStub(channel)


def of(who):
    return (("authorization", f"Bearer {who}"),)


async def test_who_one_is(stub):
    told = await stub.WhoAmI(authorization_pb2.WhoAmIRequest(), metadata=of("corp:anna+corp:books"))
    assert (told.principal, list(told.groups), told.administrator) == ("corp:anna", ["corp:books"], False)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.WhoAmI(authorization_pb2.WhoAmIRequest(), metadata=of("stranger"))
    assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED


async def test_a_narrowed_key_stays_narrow_on_its_way(door, stub):
    body = {"name": "n", "principal": "account:n", "scopes": ["create:runs:month-end", "viewer"]}
    key = (await door.ask("", "POST", f"{T}/apikeys", json=body)).json()["key"]
    told = await stub.WhoAmI(authorization_pb2.WhoAmIRequest(), metadata=of(key))
    rest = (await door.ask(key, "GET", "/api/v1/auth/whoami")).json()
    assert (told.principal, told.tenant) == ("account:n", "default") == (rest["principal"], rest["tenant"])
    assert list(told.scopes) == rest["scopes"] and "create:runs:month-end" in told.scopes
    assert await door.bind("developer", principal="account:n") == 201
    for name, allowed in (("month-end", True), ("other", False)):
        wish = authorization_pb2.CheckAccessRequest(
            verb="create", resource="runs", tenant="default", name=name
        )
        assert (await stub.CheckAccess(wish, metadata=of(key))).allowed is allowed


async def test_a_question_is_answered_as_by_rest(door, stub):
    assert await door.bind("viewer", principal="corp:vera") == 201
    asked = {"verb": "create", "resource": "runs", "tenant": "default", "name": "w"}
    for who, about in (("corp:vera", ""), (door.token, "corp:vera"), (door.token, "")):
        request = authorization_pb2.CheckAccessRequest(**asked, principal=about)
        told = await stub.CheckAccess(request, metadata=of(who))
        rest = (await door.ask(who, "POST", "/api/v1/auth/check", json={**asked, "principal": about})).json()
        assert (told.allowed, told.principal, told.reason) == (
            rest["allowed"], rest["principal"], rest["reason"],
        )  # fmt: skip
        assert list(told.roles_that_allow) == rest["rolesThatAllow"]


async def test_who_may_not_ask_about_others(stub):
    request = authorization_pb2.CheckAccessRequest(
        verb="get", resource="runs", tenant="default", principal="corp:adam"
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.CheckAccess(request, metadata=of("corp:vera"))
    assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.CheckAccess(authorization_pb2.CheckAccessRequest(), metadata=of("corp:vera"))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
