"""Routes and webhooks that triggers declare."""

import base64
import hmac
import itertools
import json
import re
import time

import pytest
import structlog

from quarterdeck.common import codec
from quarterdeck.common.errors import Unauthenticated, Unavailable
from quarterdeck.common.errors import Unavailable as ServiceAway
from quarterdeck.gateway.app import ROUTES
from quarterdeck.gateway.constants import LOOPBACK_PATHS, OPEN_PATHS, PLURALS
from quarterdeck.gateway.triggers.secrets import read_secret
from quarterdeck.gateway.triggers.signature import secret_bytes, sign, verify
from quarterdeck.gateway.triggers.table import collisions, declared_by, find
from quarterdeck.resources.reserved_paths import is_reserved
from quarterdeck.v1 import resources_pb2, runs_pb2

T = "/api/v1/tenants/default"
ANALYZE = "/api/v1/accounts/{id}/analyze"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def trigger(name, path, tenant="default", created="2025-01-01T00:00:00Z", **more):
    spec = {"target": {"kind": "Workflow", "name": "w"}, "http": {"path": path, **more}}
    return declared_by(tenant, "id", {"metadata": {"name": name, "creationTimestamp": created}, "spec": spec})


def test_parameters_and_methods():
    table = [trigger("a", ANALYZE)]
    matched = find(table, "POST", "/api/v1/accounts/A%2F17/analyze")
    assert (matched.declared.name, matched.parameters) == ("a", {"id": "A/17"})
    assert find(table, "GET", "/api/v1/accounts/1/analyze").allowed == ("POST",)
    for path in (
        "/api/v1/accounts/analyze",
        "/api/v1/accounts//analyze",
        "/api/v1/accounts/1/analyze/x",
        "/",
    ):
        assert find(table, "POST", path) is None


def test_a_collision_is_resolved_alike_whatever_the_order():
    items = [
        trigger("param", "/a/{x}/c"),
        trigger("literal", "/a/b/c", created="2026-01-01T00:00:00Z"),
        trigger("younger", "/a/{y}/c", created="2025-06-01T00:00:00Z"),
        trigger("other-tenant", "/a/{z}/c", tenant="acme"),
    ]
    for table in itertools.permutations(items):
        assert find(table, "POST", "/a/b/c").declared.name == "literal"
        assert find(table, "POST", "/a/1/c").declared.name == "other-tenant"
        pairs = [(winner.name, loser.name) for winner, loser in collisions(table)]
        assert pairs == [("other-tenant", "param"), ("other-tenant", "younger")]


def test_a_trigger_of_another_sort_declares_nothing():
    assert declared_by("t", "id", {"spec": {"cron": {"schedule": "@daily"}}}) is None


def test_every_path_of_the_gateway_is_reserved():
    """A new route whose root is not in the shared list would let a trigger declare it and never be asked."""
    for route in ROUTES:
        assert is_reserved(route.path), route.path
        noun = re.match(r"/api/v1/tenants/\{tenant\}/([a-z]+)", route.path)
        assert noun is None or is_reserved(f"/api/v1/{noun[1]}/x"), route.path
    assert all(is_reserved(f"/api/v1/{plural}") for plural in PLURALS.values())
    assert all(is_reserved(path) for path in (OPEN_PATHS | LOOPBACK_PATHS))
    assert not is_reserved(ANALYZE)


def test_what_declares_a_path_of_the_gateway_declares_nothing():
    """Such a trigger may be stored from before it was refused; its signature must not open the path."""
    hook = {"path": "/api/v1/tenants/default/runs", "secretRef": {"env": "S"}}
    target = {"kind": "Workflow", "name": "w"}
    stored = {"metadata": {"name": "old"}, "spec": {"target": target, "webhook": hook}}
    assert declared_by("default", "id", stored) is None


def test_the_signature_of_the_specification():
    """The published example of Standard Webhooks' own reference implementations."""
    body, id = b'{"test": 2432232314}', "msg_p5jXN8AQM9LWM0D4loKWxJek"
    signature = sign(secret_bytes(SECRET), id, 1614265330, body)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def signed(body, id="msg_1", at=1000, secret=SECRET):
    return {
        "webhook-id": id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,AAAA {sign(secret_bytes(secret), id, at, body)}",
    }


def test_what_is_signed_is_let_in():
    headers = signed(b"{}")
    found = verify(secret_bytes(SECRET), headers, b"{}", now=1299, tolerance=300)
    assert (found.id, found.timestamp) == ("msg_1", 1000)


@pytest.mark.parametrize(
    ("change", "body", "now"),
    [
        ({"webhook-id": "msg_2"}, b"{}", 1000),
        ({"webhook-id": ""}, b"{}", 1000),
        ({"webhook-timestamp": "1001"}, b"{}", 1000),
        ({"webhook-timestamp": "soon"}, b"{}", 1000),
        ({"webhook-signature": ""}, b"{}", 1000),
        ({"webhook-signature": "v1,\u00e9"}, b"{}", 1000),
        ({"webhook-signature": sign(b"other", "msg_1", 1000, b"{}")}, b"{}", 1000),
        ({}, b"{ }", 1000),
        ({}, b"{}", 1301),
        ({}, b"{}", 699),
    ],
)
def test_what_is_not_signed_rightly_is_refused(change, body, now):
    with pytest.raises(Unauthenticated):
        verify(secret_bytes(SECRET), {**signed(b"{}"), **change}, body, now=now, tolerance=300)


def test_secrets(tmp_path, monkeypatch):
    monkeypatch.setenv("HOOK", SECRET)
    raw = base64.b64decode(SECRET.removeprefix("whsec_"))
    assert read_secret({"env": "HOOK"}, "default", tmp_path) == raw
    (tmp_path / "default" / "hook").mkdir(parents=True)
    (tmp_path / "default" / "hook" / "key").write_text("plain\n")
    assert read_secret({"secret": {"name": "hook", "key": "key"}}, "default", tmp_path) == b"plain"
    wrong = [{"name": "hook", "key": "no"}, {"name": "..", "key": "key"}, {"name": "a/b", "key": "k"}]
    for reference in ({"env": "NONE"}, {}, *({"secret": secret} for secret in wrong)):
        with pytest.raises(Unavailable):
            read_secret(reference, "default", tmp_path)
    monkeypatch.setenv("HOOK", "whsec_not base64")
    with pytest.raises(Unavailable, match="base64"):
        read_secret({"env": "HOOK"}, "default", tmp_path)


def watched(name, spec, kind=resources_pb2.WatchEvent.TYPE_ADDED):
    spec = {"target": {"kind": "Workflow", "name": "w"}, **spec}
    body = {"kind": "Trigger", "metadata": {"name": name}, "spec": spec}
    obj = resources_pb2.Object(kind="Trigger", name=name, object_json=codec.dumps(body))
    return resources_pb2.WatchEvent(
        type=kind, object=obj, resource_version="1", tenant="default", tenant_id="id-1"
    )


@pytest.fixture
async def declare(house):
    """Makes the gateway know triggers, by the way the registry's watch tells it."""

    async def declare_(name, deleted=False, **spec):
        kind = resources_pb2.WatchEvent.TYPE_DELETED if deleted else resources_pb2.WatchEvent.TYPE_ADDED
        watcher = house.gateway._parts.declared._watcher
        assert await watcher.wait_synced(5)
        await watcher._on_event(watched(name, spec, kind), "Trigger", None)

    house.runtime.answers["FireTrigger"] = lambda request: runs_pb2.FireTriggerResponse(runs=[house.run()])
    return declare_


async def test_a_route_fires_its_trigger(house, declare):
    await declare("analyze", http={"path": ANALYZE, "method": "POST"})
    headers = {"Cookie": "secret=1", "User-Agent": "test", "X-Api-Key": "secret"}
    response = await house.client.post(
        "/api/v1/accounts/17/analyze?deep=1&tag=a&tag=b", json={"since": 2024}, headers=headers
    )
    assert response.status_code == 202
    assert response.json()["runs"][0]["name"] == "match"
    asked = house.runtime.last(runs_pb2.FireTriggerRequest)
    payload = json.loads(asked.payload_json)
    assert (asked.tenant, asked.name) == ("default", "analyze")
    assert payload["body"] == {"since": 2024} and payload["path"] == {"id": "17"}
    assert payload["query"] == {"deep": "1", "tag": ["a", "b"]}
    assert payload["headers"] == {"content-type": "application/json", "user-agent": "test"}
    assert asked.fire_id
    sample = 'http_requests_total{method="POST",route="/api/v1/accounts/{id}/analyze",status="202"'
    await house.eventually(lambda: house.platform.telemetry.registry)
    assert sample in (await house.client.get("/metrics")).text.replace(',service="gateway"', "")


async def test_a_route_needs_a_token(house, declare):
    await declare("analyze", http={"path": ANALYZE})
    response = await house.client.post("/api/v1/accounts/1/analyze", headers={"Authorization": ""})
    assert response.status_code == 401


async def test_methods_deletion_pause_and_bad_bodies(house, declare):
    await declare("analyze", http={"path": ANALYZE})
    path = "/api/v1/accounts/1/analyze"
    refused = await house.client.get(path)
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    response = await house.client.post(path, content=b"{", headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["field"]) == (400, "body")
    response = await house.client.post(path, content=b"\xff", headers={"Content-Type": "text/plain"})
    assert response.status_code == 400
    assert (await house.client.post(path, content=b"hi", headers={"Content-Type": "text/plain"})).is_success
    assert json.loads(house.runtime.last(runs_pb2.FireTriggerRequest).payload_json)["body"] == "hi"
    await declare("analyze", http={"path": ANALYZE}, paused=True)
    assert (await house.client.post(path)).json()["reason"] == "TriggerPaused"
    await declare("analyze", deleted=True, http={"path": ANALYZE})
    assert (await house.client.post(path)).status_code == 404


async def test_paths_of_our_own_cannot_be_taken(house, declare):
    await declare("thief", http={"path": "/api/v1/tenants/{t}/runs", "method": "POST"})
    response = await house.client.post(f"{T}/runs", json={"kind": "Agent", "name": "a"})
    assert house.runtime.count(runs_pb2.FireTriggerRequest) == 0
    assert response.status_code == 404  # what the fake runtime says to StartRun


@pytest.fixture
async def hook(house, declare, monkeypatch):
    monkeypatch.setenv("HOOK", SECRET)
    await declare(
        "bank", webhook={"path": "/api/v1/hooks/bank", "secretRef": {"env": "HOOK"}, "tolerance": "1m"}
    )

    async def send(body=b'{"n":1}', **more):
        headers = {"Authorization": "", "Content-Type": "application/json", **signed(body, **more)}
        return await house.client.post("/api/v1/hooks/bank", content=body, headers=headers)

    return send


async def test_a_signed_webhook_needs_no_token(house, hook):
    response = await hook(at=int(time.time()), id="msg_7")
    assert response.status_code == 202, response.text
    asked = house.runtime.last(runs_pb2.FireTriggerRequest)
    assert (asked.fire_id, json.loads(asked.payload_json)["body"]) == ("msg_7", {"n": 1})


async def test_an_unsigned_webhook_gets_nowhere(house, hook):
    assert (await house.client.post("/api/v1/hooks/bank", content=b"{}")).status_code == 401
    assert (await hook(at=int(time.time()), secret="whsec_AAAA")).status_code == 401
    assert (await hook(at=int(time.time()) - 61)).json()["reason"] == "TimestampOutOfTolerance"
    assert (await house.client.get("/api/v1/hooks/bank", headers={"Authorization": ""})).status_code == 401
    assert house.runtime.count(runs_pb2.FireTriggerRequest) == 0


async def test_a_replay_is_refused_and_a_senders_retry_is_not(house, hook):
    now = int(time.time())
    assert (await hook(at=now)).status_code == 202
    replay = await hook(at=now)
    assert (replay.status_code, replay.json()["reason"]) == (409, "WebhookReplayed")
    assert (await hook(at=now - 1)).status_code == 202
    fired = [r.fire_id for r in house.runtime.asked if isinstance(r, runs_pb2.FireTriggerRequest)]
    assert fired == ["msg_1", "msg_1"]  # the runtime answers the second with the first one's run


async def test_a_webhook_that_could_not_be_delivered_may_come_again(house, hook):
    answer = house.runtime.answers["FireTrigger"]
    house.runtime.answers["FireTrigger"] = ServiceAway("away")
    now = int(time.time())
    assert (await hook(at=now)).status_code == 503
    house.runtime.answers["FireTrigger"] = answer
    assert (await hook(at=now)).status_code == 202


async def test_a_missing_secret_is_told_without_details_of_others(house, hook, monkeypatch):
    monkeypatch.delenv("HOOK")
    response = await hook(at=int(time.time()))
    assert (response.status_code, response.json()["reason"]) == (503, "SecretMissing")


async def test_routes_survive_a_restart_without_the_registry(house, declare):
    from quarterdeck.gateway.triggers.routes import DeclaredRoutes

    await declare("analyze", http={"path": ANALYZE})
    again = DeclaredRoutes(house.platform)
    await again.start()
    assert again.find("POST", "/api/v1/accounts/1/analyze").declared.name == "analyze"


async def test_a_stranger_is_not_told_that_a_hook_is_paused(house, declare, monkeypatch):
    monkeypatch.setenv("HOOK", SECRET)
    await declare("paid", webhook={"path": "/hooks/paid", "secretRef": {"env": "HOOK"}}, paused=True)
    response = await house.client.post("/hooks/paid", content=b"{}", headers={"Authorization": ""})
    assert (response.status_code, response.json()["reason"]) == (401, "SignatureMissing")


async def test_a_stranger_is_not_told_where_the_secret_should_be(house, declare):
    await declare("paid", webhook={"path": "/hooks/paid", "secretRef": {"env": "NO_SUCH_HOOK"}})
    structlog.reset_defaults()
    house.platform.telemetry.log = structlog.get_logger("gateway")
    with structlog.testing.capture_logs() as logs:
        response = await house.client.post("/hooks/paid", content=b"{}", headers={"Authorization": ""})
    assert response.status_code == 503
    assert "NO_SUCH_HOOK" not in response.text
    assert [entry["why"] for entry in logs if entry["event"] == "webhook.secret_missing"] == [
        "the webhook's secret is not there: the environment variable NO_SUCH_HOOK"
    ]


async def test_bodies_and_signatures_are_compared_whole(monkeypatch):
    """In constant time: by the one function that is, over the whole signature."""
    compared = []
    real = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append((a, b)) or real(a, b))
    secret, now = b"s", 1000
    good = sign(secret, "m1", now, b"{}")
    headers = {"webhook-id": "m1", "webhook-timestamp": str(now), "webhook-signature": good[:-2] + "AA"}
    with pytest.raises(Unauthenticated):
        verify(secret, headers, b"{}", now=now, tolerance=300)
    assert compared == [(good.encode(), (good[:-2] + "AA").encode())]
