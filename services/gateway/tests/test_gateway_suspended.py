"""Suspended principals: whatever they come with, the answer is that of strangers, until they are restored."""

import asyncio

import pytest
from gateway_kit.doors import T, open_door

from quarterdeck.common.errors import PermissionDenied
from quarterdeck.common.rpc_client import act_for
from quarterdeck.v1 import authorization_pb2, authorization_pb2_grpc

PATH = "/api/v1/auth/suspensions"
HOLD = {"nodes": [{"name": "hold", "wait": {"signal": {"name": "go"}}}]}


@pytest.fixture
async def door(tmp_path):
    async with open_door(tmp_path) as opened:
        yield opened


async def suspend(door, principal, who="corp:paul", **more):
    return await door.ask(who, "POST", PATH, json={"principal": principal, **more})


async def test_who_is_suspended_gets_a_strangers_answer(door):
    assert await door.bind("developer", principal="corp:dora") == 201
    assert await door.status("corp:dora", "GET", f"{T}/agents") == 200
    done = await suspend(door, "corp:dora", reason="left")
    assert done.status_code == 200
    told = done.json()
    assert (told["principal"], told["reason"], told["by"]) == ("corp:dora", "left", "corp:paul")
    refused = await door.ask("corp:dora", "GET", f"{T}/agents")
    stranger = await door.ask("nobody", "GET", f"{T}/agents")
    assert refused.status_code == stranger.status_code == 401
    assert refused.json()["detail"] == stranger.json()["detail"]
    again = await suspend(door, "corp:dora", who="", reason="once more")
    assert again.json()["reason"] == "left"
    assert [one["principal"] for one in (await door.ask("", "GET", PATH)).json()["items"]] == ["corp:dora"]
    assert await door.status("corp:paul", "DELETE", f"{PATH}/corp:dora") == 200
    assert await door.status("corp:dora", "GET", f"{T}/agents") == 200
    assert await door.status("corp:paul", "DELETE", f"{PATH}/corp:dora") == 404


async def test_a_key_of_a_suspended_account_is_refused_and_counts_again(door):
    body = {"name": "nightly", "principal": "account:nightly"}
    key = (await door.ask("", "POST", f"{T}/apikeys", json=body)).json()["key"]
    assert await door.status(key, "GET", "/api/v1/auth/whoami") == 200
    assert (await suspend(door, "account:nightly")).status_code == 200
    assert await door.status(key, "GET", "/api/v1/auth/whoami") == 401
    assert await door.status("", "DELETE", f"{PATH}/account:nightly") == 200
    assert await door.status(key, "GET", "/api/v1/auth/whoami") == 200


async def test_runs_of_a_suspended_principal_stand_still(door):
    assert await door.apply("", "workflows", "Workflow", "w", HOLD) == 201
    assert await door.bind("developer", principal="corp:dora") == 201
    body = {"kind": "Workflow", "name": "w", "input": {}}
    run = (await door.ask("corp:dora", "POST", f"{T}/runs", json=body)).json()["id"]
    await suspend(door, "corp:dora")
    await reason(door, run, "paused: principal corp:dora is suspended")
    await door.ask("", "DELETE", f"{PATH}/corp:dora")
    await reason(door, run, "waiting for signal go")


async def reason(door, run, wanted):
    async with asyncio.timeout(20):
        while True:
            if (await door.ask("", "GET", f"{T}/runs/{run}")).json().get("reason") == wanted:
                return
            await asyncio.sleep(0.05)


async def test_a_suspended_account_starts_nothing_by_triggers(door):
    account = "system:serviceaccount:default:triggers"
    assert (await suspend(door, account)).status_code == 200
    peer = door.platforms["agent-runtime"].peer("gateway")
    stub = peer.stub(authorization_pb2_grpc.AccessServiceStub)
    request = authorization_pb2.ActAsAccountRequest(tenant="default", name="triggers", target="w")
    act_for(None)
    with pytest.raises(PermissionDenied, match="is suspended"):
        await peer.call(stub.ActAsAccount, request)


@pytest.mark.parametrize(
    ("who", "principal", "status"),
    [
        ("corp:dora", "corp:anna", 403),
        ("", "local:admin", 412),
        ("corp:paul", "local:admin", 412),
        ("corp:paul", "corp:paul", 412),
        ("corp:paul", "paul", 400),
        ("corp:paul", "corp:a\nb", 400),
        ("corp:paul", "", 400),
    ],
)
async def test_who_may_suspend_whom(door, who, principal, status):
    assert (await suspend(door, principal, who)).status_code == status
    assert (await door.ask("", "GET", PATH)).json()["items"] == []


async def test_a_restart_forgets_nobody(door):
    assert (await suspend(door, "corp:dora")).status_code == 200
    suspended = door.gateway._parts.suspended
    suspended._known = {}
    await suspended.load()
    assert suspended.has("corp:dora")
