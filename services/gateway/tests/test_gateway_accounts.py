"""Triggers act as service accounts: who may write one, and what its account may start."""

import asyncio

import pytest
from gateway_kit.doors import T, open_door

from quarterdeck.common.errors import InvalidArgument, PermissionDenied, Unauthenticated
from quarterdeck.common.identity import Principal
from quarterdeck.common.rpc_client import act_for
from quarterdeck.gateway.access.questions import questions
from quarterdeck.gateway.methods import method_table
from quarterdeck.v1 import authorization_pb2, authorization_pb2_grpc, resources_pb2

WORKFLOW = {"nodes": [{"name": "one", "transform": {"output": "${input}"}}]}


@pytest.fixture
async def door(tmp_path):
    async with open_door(tmp_path) as opened:
        yield opened


def trigger(account=None, target="w"):
    event = {"type": f"paid.{account or 'own'}"}
    spec = {"target": {"kind": "Workflow", "name": target}, "event": event}
    return {**spec, "serviceAccount": account} if account else spec


async def fire(door, name):
    return await door.ask("", "POST", f"{T}/triggers/{name}/fire", json={"payload": {}})


async def act_as(door, service, name, tenant="default", target="w"):
    peer = door.platforms[service].peer("gateway")
    stub = peer.stub(authorization_pb2_grpc.AccessServiceStub)
    request = authorization_pb2.ActAsAccountRequest(tenant=tenant, name=name, kind="Workflow", target=target)
    return await peer.call(stub.ActAsAccount, request)


async def test_whoever_writes_a_trigger_must_be_allowed_to_act_as_its_account(door):
    assert await door.apply("", "workflows", "Workflow", "w", WORKFLOW) == 201
    assert await door.bind("developer", principal="corp:dora") == 201
    assert await door.bind("admin", principal="corp:adam", name="c") == 201
    assert await door.apply("corp:dora", "triggers", "Trigger", "own", trigger()) == 201
    assert await door.apply("corp:dora", "triggers", "Trigger", "pay", trigger("payroll")) == 403
    assert await door.apply("corp:adam", "triggers", "Trigger", "pay", trigger("payroll")) == 201
    assert await door.apply("corp:dora", "triggers", "Trigger", "pay", trigger("payroll", "v")) == 403


async def test_a_trigger_starts_what_its_account_may_start_and_nothing_else(door):
    assert await door.apply("", "workflows", "Workflow", "w", WORKFLOW) == 201
    for name, account in (("own", None), ("pay", "payroll")):
        assert await door.apply("", "triggers", "Trigger", name, trigger(account)) == 201
    started = await fire(door, "own")
    assert started.status_code == 200, started.text
    [run] = started.json()["runs"]
    assert run["principal"] == "system:serviceaccount:default:triggers"

    denied = await fire(door, "pay")
    assert denied.status_code == 403
    assert "system:serviceaccount:default:payroll may not create runs" in denied.json()["detail"]
    assert (await condition(door, "pay", "False"))["reason"] == "AccountDenied"
    rules = {"rules": [{"verbs": ["create"], "kinds": ["runs"], "names": ["w"]}]}
    assert await door.apply("", "accessroles", "AccessRole", "starts-w", rules) == 201
    assert await door.bind("starts-w", principal="system:serviceaccount:default:payroll") == 201
    [run] = (await fire(door, "pay")).json()["runs"]
    assert run["principal"] == "system:serviceaccount:default:payroll"
    assert (await condition(door, "pay", "True"))["reason"] == "AccountAllowed"


async def condition(door, name, status):
    async with asyncio.timeout(10):
        while True:
            found = (await door.ask("", "GET", f"{T}/triggers/{name}")).json()
            conditions = found.get("status", {}).get("conditions", [])
            for one in conditions:
                if one["type"] == "Permitted" and one["status"] == status:
                    return one
            await asyncio.sleep(0.05)


async def test_only_the_runtime_asks_and_only_for_names_of_accounts(door):
    answer = await act_as(door, "agent-runtime", "triggers")
    assert answer.subject == "system:serviceaccount:default:triggers"
    assert "system:serviceaccounts:default" in answer.groups
    with pytest.raises(PermissionDenied):
        await act_as(door, "agent-runtime", "triggers", tenant="")
    for name in ("system:service:registry", "a:b", "UPPER", "", "x" * 64, "triggers\n"):
        with pytest.raises(InvalidArgument):
            await act_as(door, "agent-runtime", name)
    with pytest.raises(Unauthenticated):
        await act_as(door, "registry", "triggers")
    act_for(Principal("corp:anna"))
    try:
        with pytest.raises(Unauthenticated):
            await act_as(door, "agent-runtime", "triggers")
    finally:
        act_for(None)


def test_what_applying_a_trigger_asks_for():
    needs = method_table()["/quarterdeck.v1.RegistryService/ApplyObject"].requirement
    manifest = b'{"kind":"Trigger","metadata":{"name":"t"},"spec":%s}'
    for spec, account in ((b'{"serviceAccount":"pay"}', "pay"), (b"{}", "triggers"), (b"[]", "triggers")):
        request = resources_pb2.ApplyObjectRequest(tenant="acme", object_json=manifest % spec)
        asked = questions(needs, request)
        assert ("use", "serviceaccounts", "acme", account) in asked
        assert ("update", "triggers", "acme", "t") in asked
