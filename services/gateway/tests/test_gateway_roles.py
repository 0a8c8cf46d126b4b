"""Roles at the door, with the real services behind it: what is bound acts, what is removed is gone."""

import grpc
import pytest
from gateway_kit.doors import API, T, open_door

from quarterdeck.gateway.access.giving import covered
from quarterdeck.gateway.keys.scopes import rules_of
from quarterdeck.v1 import resources_pb2, resources_pb2_grpc

WORKFLOW = {"nodes": [{"name": "one", "transform": {"output": "${input}"}}]}


@pytest.fixture
async def door(tmp_path):
    async with open_door(tmp_path) as opened:
        yield opened


async def test_a_binding_acts_on_the_next_request_and_so_does_its_end(door):
    assert await door.status("corp:anna", "GET", f"{T}/workflows") == 403
    for _ in range(20):
        assert await door.bind("viewer", principal="corp:anna") == 201
        assert await door.status("corp:anna", "GET", f"{T}/workflows") == 200
        assert await door.status("", "DELETE", f"{T}/accessbindings/b") == 200
        assert await door.status("corp:anna", "GET", f"{T}/workflows") == 403


async def test_a_changed_role_and_a_changed_binding_act_on_the_next_request(door):
    def rules(*verbs):
        return {"rules": [{"verbs": list(verbs), "kinds": ["workflows"], "names": ["mine-*"]}]}

    assert await door.apply("", "accessroles", "AccessRole", "own", rules("update")) == 201
    assert await door.bind("own", group="books") == 201
    who = "corp:anna+books"
    assert await door.apply(who, "workflows", "Workflow", "mine-one", WORKFLOW) == 201
    assert await door.apply(who, "workflows", "Workflow", "theirs", WORKFLOW) == 403
    assert await door.status(who, "DELETE", f"{T}/workflows/mine-one") == 403
    assert await door.apply("", "accessroles", "AccessRole", "own", rules("delete")) == 200
    assert await door.apply(who, "workflows", "Workflow", "mine-two", WORKFLOW) == 403
    assert await door.status(who, "DELETE", f"{T}/workflows/mine-one") == 200
    assert await door.bind("own", group="others") == 200
    assert await door.status(who, "DELETE", f"{T}/workflows/mine-one") == 403


async def test_a_developer_runs_what_is_there_and_an_operator_calls_no_tool_by_a_run(door):
    assert await door.bind("developer", principal="corp:dora", name="d") == 201
    assert await door.bind("operator", principal="corp:otto", name="o") == 201
    assert await door.apply("corp:dora", "workflows", "Workflow", "echo", WORKFLOW) == 201
    start = {"kind": "Workflow", "name": "echo", "input": {"n": 1}}
    assert await door.status("corp:dora", "POST", f"{T}/runs", json=start) == 201
    assert await door.status("corp:otto", "POST", f"{T}/runs", json=start) == 201
    batch = {"items": [start, {**start, "kind": "Tool", "name": "ledger/book"}]}
    assert await door.status("corp:otto", "POST", f"{T}/runs/batch", json=batch) in (400, 403)
    assert await door.status("corp:dora", "PUT", f"{T}/accessbindings/x", json={}) in (400, 403)
    assert await door.apply("corp:dora", "accessbindings", "AccessBinding", "x", {}) == 403


async def test_a_tenant_is_nobodys_but_the_platforms(door):
    everything = {"rules": [{"verbs": ["*"], "kinds": ["*"]}]}
    assert await door.apply("", "accessroles", "AccessRole", "all", everything) == 201
    assert await door.bind("all", principal="corp:eve") == 201
    assert await door.status("corp:eve", "GET", f"{T}/policies") == 200
    assert await door.apply("corp:eve", "tenants", "Tenant", "default", {"weight": 9}, tenant="") == 403
    assert await door.status("corp:eve", "GET", "/api/v1/tenants") == 403
    for who in ("corp:paul", "corp:olga+ops"):
        assert await door.status(who, "GET", "/api/v1/tenants") == 200
        assert await door.status(who, "GET", f"{T}/workflows") == 403
    # The wire lets a request name a tenant beside a kind that has none.
    async with grpc.aio.insecure_channel(f"127.0.0.1:{door.gateway.grpc_port}") as channel:
        stub = resources_pb2_grpc.RegistryServiceStub(channel)
        request = resources_pb2.GetObjectRequest(tenant="default", kind="Tenant", name="default")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetObject(request, metadata=(("authorization", "Bearer corp:eve"),))
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_the_first_administrators_of_a_tenant(door):
    spec = {"admins": [{"principal": "corp:adam"}]}
    assert await door.apply("corp:paul", "tenants", "Tenant", "acme", spec, tenant="") == 201
    acme = "/api/v1/tenants/acme"
    assert await door.status("corp:adam", "GET", f"{acme}/policies") == 200
    binding = {"role": "viewer", "subjects": [{"principal": "corp:vera"}]}
    put = await door.apply("corp:adam", "accessbindings", "AccessBinding", "v", binding, tenant="acme")
    assert put == 201
    assert await door.status("corp:vera", "GET", f"{acme}/agents") == 200
    assert await door.status("corp:adam", "GET", f"{T}/policies") == 403
    assert await door.apply("corp:paul", "tenants", "Tenant", "acme", {}, tenant="") == 200
    assert await door.status("corp:adam", "GET", f"{acme}/policies") == 403


async def test_what_is_denied_does_not_say_what_there_is(door):
    assert await door.apply("", "workflows", "Workflow", "secret", WORKFLOW) == 201
    told = set()
    for place in (f"{T}/workflows/secret", f"{T}/workflows/nothing"):
        answer = await door.ask("corp:anna", "GET", place)
        told.add((answer.status_code, answer.json()["detail"]))
    assert told == {(403, "corp:anna may not get workflows in tenant 'default'")}
    for method, path in (
        ("GET", "workflows"),
        ("POST", "runs"),
        ("POST", "triggers/t/fire"),
        ("GET", "runs/x"),
    ):
        for key in ({}, {"Idempotency-Key": "k"}):
            headers = {"Authorization": "Bearer corp:anna", **key}
            body = (
                {"json": {"kind": "Workflow", "name": "w"} if path == "runs" else {}}
                if method == "POST"
                else {}
            )
            answers = [
                await door.client.request(method, f"/api/v1/tenants/{name}/{path}", headers=headers, **body)
                for name in ("default", "no-such")
            ]
            assert [answer.status_code for answer in answers] == [403, 403], (method, path, key)


async def test_a_stream_ends_with_the_right_to_read_it(door):
    assert await door.bind("viewer", principal="corp:anna") == 201
    headers = {"Authorization": "Bearer corp:anna", "Accept": "text/event-stream"}
    async with door.client.stream("GET", f"{T}/agents?watch=true", headers=headers) as stream:
        assert stream.status_code == 200
        assert await door.status("", "DELETE", f"{T}/accessbindings/b") == 200
        text = "".join([chunk async for chunk in stream.aiter_text()])
    assert "AccessEnded" in text


async def test_who_one_is(door):
    told = (await door.ask("corp:anna+books", "GET", "/api/v1/auth/whoami")).json()
    assert told == {
        "principal": "corp:anna",
        "groups": ["books"],
        "administrator": False,
        "tenant": None,
        "scopes": [],
    }
    assert (await door.ask("", "GET", "/api/v1/auth/whoami")).json()["administrator"] is True


async def test_a_denied_call_is_explained_by_the_command_that_it_names(door):
    denied = (await door.ask("corp:anna", "GET", f"{T}/workflows/w")).json()
    assert denied["reason"] == "PermissionDenied"
    assert denied["hint"] == "qd auth explain get workflows w -n default"
    question = {"verb": "get", "resource": "workflows", "tenant": "default", "name": "w"}
    told = (await door.ask("corp:anna", "POST", "/api/v1/auth/check", json=question)).json()
    assert (told["allowed"], told["role"]) == (False, None)
    assert told["rolesThatAllow"] == ["viewer", "developer", "operator", "admin"]
    assert await door.bind("viewer", principal="corp:anna", name="lookers") == 201
    told = (await door.ask("corp:anna", "POST", "/api/v1/auth/check", json=question)).json()
    assert told["allowed"] is True
    assert (told["role"], told["source"]) == ("viewer", "AccessBinding lookers")
    assert told["rule"].startswith("get,list,watch:")


async def test_who_asks_about_others_must_see_who_is_bound(door):
    assert await door.bind("viewer", principal="corp:vera") == 201
    question = {"verb": "list", "resource": "runs", "tenant": "default", "principal": "corp:vera"}
    assert await door.status("corp:anna", "POST", "/api/v1/auth/check", json=question) == 403
    for who in ("corp:vera", ""):
        answer = await door.ask(who, "POST", "/api/v1/auth/check", json=question)
        assert answer.json()["allowed"] is True
    grouped = {**question, "principal": "corp:gus", "groups": ["quarterdeck:platform-admins"]}
    assert await door.status("corp:anna", "POST", "/api/v1/auth/check", json=grouped) == 403


@pytest.mark.parametrize(
    "body", [{}, {"verb": "GET", "resource": "runs"}, {"verb": "get", "resource": "../x"}, []]
)
async def test_a_question_that_is_none(door, body):
    assert await door.status("corp:anna", "POST", "/api/v1/auth/check", json=body) == 400


async def test_nobody_gives_away_what_they_do_not_have(door):
    clerk = {"rules": [{"verbs": ["update"], "kinds": ["accessbindings", "accessroles"]}]}
    assert await door.apply("", "accessroles", "AccessRole", "clerk", clerk) == 201
    assert await door.bind("clerk", principal="corp:carl", name="c") == 201
    assert await door.bind("admin", principal="corp:adam", name="a") == 201

    async def binds(who, role):
        spec = {"role": role, "subjects": [{"principal": "corp:carl"}]}
        return await door.apply(who, "accessbindings", "AccessBinding", f"by-{role}", spec)

    async def writes(who, *rules):
        return await door.apply(who, "accessroles", "AccessRole", "new", {"rules": list(rules)})

    for role in ("admin", "viewer", "platform-admin", "no-such"):
        assert await binds("corp:carl", role) == 403, role
    assert await binds("corp:carl", "clerk") == 201
    assert await writes("corp:carl", {"verbs": ["*"], "kinds": ["*"]}) == 403
    assert await writes("corp:carl", {"verbs": ["update"], "kinds": ["accessroles", "agents"]}) == 403
    assert await writes("corp:carl", {"verbs": ["update"], "kinds": ["accessroles"]}) == 201
    for role in ("viewer", "developer", "operator", "approver", "admin"):
        assert await binds("corp:adam", role) in (200, 201), role
    assert await binds("corp:adam", "platform-admin") == 403
    assert await writes("corp:adam", {"verbs": ["*"], "kinds": ["*"]}) == 403
    mine = {"verbs": ["call"], "kinds": ["tools/call"], "names": ["ledger/*"]}
    assert await writes("corp:adam", mine) == 200
    body = _manifest({"verbs": ["*"], "kinds": ["runs"]})
    refused = await door.ask("corp:adam", "PUT", f"{T}/accessroles/x", json=body)
    assert refused.json()["reason"] == "EscalationRefused"


def _manifest(rule):
    return {"apiVersion": API, "kind": "AccessRole", "metadata": {"name": "x"}, "spec": {"rules": [rule]}}


@pytest.mark.parametrize(
    ("mine", "given", "enough"),
    [
        ("get,list:runs", "get:runs", True),
        ("get:runs", "get,list:runs", False),
        ("*:*", "get:runs/cancel:x", True),
        ("get:runs", "*:runs", False),
        ("get:runs:a,b", "get:runs:a", True),
        ("get:runs:a", "get:runs", False),
        ("get:runs:a*", "get:runs:ab", False),
        ("get:runs/*", "get:runs/events", True),
        ("get:runs/*", "get:runs", False),
        ("get:runs/events", "get:runs/*", False),
    ],
)
def test_what_covers_what(mine, given, enough):
    assert covered(rules_of([mine]), (), rules_of([given])[0]) is enough
    assert covered(rules_of(["*:*"]), rules_of([mine]), rules_of([given])[0]) is enough
