"""API keys: what lets in, what does not, and that the difference is told to nobody."""

import statistics
import time

import pytest
from sqlalchemy import select

from quarterdeck.common.authorization.rules import Rule
from quarterdeck.common.clock import SystemClock
from quarterdeck.common.database import across_tenants, open_database
from quarterdeck.common.errors import AlreadyExists, InvalidArgument, NotFound, PermissionDenied, Unavailable
from quarterdeck.common.identity import Principal
from quarterdeck.common.tenants import TenantId
from quarterdeck.gateway.keys import keeping
from quarterdeck.gateway.keys.format import PREFIX, Format
from quarterdeck.gateway.keys.keyring import Keyring
from quarterdeck.gateway.keys.scopes import rules_of
from quarterdeck.gateway.keys.secret import pepper_of
from quarterdeck.gateway.tables import API_KEYS, METADATA
from quarterdeck.v1 import resources_pb2, runs_pb2

ANNA = Principal("corp:anna")
PEPPER = b"p" * 48
DAY = 86400.0


class Tenants:
    """Knows one tenant, and forgets it when told."""

    def __init__(self):
        self.ids = {"acme": "t-1"}

    async def resolve(self, name):
        if name not in self.ids:
            raise NotFound(f"no {name}")
        return TenantId(name, self.ids[name])


@pytest.fixture
async def ring(tmp_path):
    url = f"sqlite:///{tmp_path / 'g.db'}"
    database = await open_database(url, METADATA, "quarterdeck.gateway.migrations")
    refused = []
    made = Keyring(database, Tenants(), PEPPER, refused.append, lambda: made.time)
    made.time, made.refusals, made.reads = SystemClock().now(), refused, 0
    read = database.read

    async def counted(*args):
        made.reads += 1
        return await read(*args)

    database.read = counted
    yield made
    await database.close()


async def made(ring, name="nightly", principal="account:nightly", scopes=(), lasts=DAY):
    return await keeping.create(ring, ANNA, keeping.Wish("acme", name, principal, scopes, lasts))


async def test_a_key_lets_in_whom_it_is_for_in_its_tenant_narrowed(ring):
    _, text = await made(ring, scopes=("create:runs:month-end",))
    found = await ring.principal(text)
    rule = Rule(frozenset({"create"}), frozenset({"runs"}), ("month-end",))
    assert found == Principal("account:nightly", (), "acme", (rule,))


async def test_nothing_that_lets_in_is_kept(ring):
    _, text = await made(ring)
    secret = text.removeprefix(PREFIX).partition("_")[2]

    def rows(connection):
        across_tenants(connection)
        return connection.execute(select(API_KEYS)).mappings().all()

    kept = repr(await ring.database.read(rows))
    assert "account:nightly" in kept
    assert text not in kept and secret not in kept and secret[:20] not in kept


def changed(text, place):
    letter = "A" if text[place] != "A" else "B"
    return text[:place] + letter + text[place + 1 :]


async def test_what_was_not_made_here_is_refused_without_a_look_into_the_database(ring):
    _, text = await made(ring)
    foreign, _ = Format(PREFIX, b"x" * 48).make()
    wrong = [
        PREFIX, text + "a", text[:-1], text.upper(), changed(text, 20), changed(text, -1), foreign,
        text.replace("_", "-"), text[:30] + "\n" + text[31:], "qdk_" + "é" * 78, "qdk_" + "a" * 20_000,
        f"qdk_{'a' * 12}_{text[17:]}",
    ]  # fmt: skip
    before = ring.reads
    assert [await ring.principal(one) for one in wrong] == [None] * len(wrong)
    assert ring.reads == before
    assert ring.refusals == ["malformed"] * len(wrong)


async def test_a_sealed_key_without_a_row_is_nobodys(ring):
    text, _ = Format(PREFIX, PEPPER).make()
    assert await ring.principal(text) is None
    assert ring.refusals == ["unknown"]


async def test_it_ends_when_it_was_said_to(ring):
    _, text = await made(ring, lasts=60)
    ring.time += 59
    assert await ring.principal(text) is not None
    ring.time += 1
    assert await ring.principal(text) is None
    assert ring.refusals == ["expired"]
    assert await made(ring) is not None, "its name is free again"


async def test_a_revoked_key_is_refused_by_the_next_request(ring):
    for _ in range(5):
        _, text = await made(ring)
        assert await ring.principal(text) is not None
        await keeping.revoke(ring, "acme", "nightly")
        assert await ring.principal(text) is None
    assert set(ring.refusals) == {"revoked"}
    with pytest.raises(NotFound):
        await keeping.revoke(ring, "acme", "nightly")


async def test_what_was_read_before_a_key_was_revoked_is_not_remembered(ring):
    _, text = await made(ring)
    read = ring.database.read

    async def slow(*args):
        found = await read(*args)
        ring.database.read = read
        await keeping.revoke(ring, "acme", "nightly")
        return found

    ring.database.read = slow
    await ring.principal(text)
    assert await ring.principal(text) is None


async def test_a_rotated_key_overlaps(ring):
    _, first = await made(ring)
    _, second = await keeping.rotate(ring, ANNA, "acme", "nightly", 600, DAY)
    assert await ring.principal(first) == await ring.principal(second)
    ring.time += 600
    assert await ring.principal(first) is None
    assert await ring.principal(second) is not None
    _, third = await keeping.rotate(ring, ANNA, "acme", "nightly", 0, DAY)
    assert await ring.principal(second) is None
    ended = await keeping.revoke(ring, "acme", "nightly")
    assert [key.principal for key in ended] == ["account:nightly"]
    assert await ring.principal(third) is None


async def test_a_key_ends_with_its_tenant(ring):
    _, text = await made(ring)
    ring.tenants.ids["acme"] = "t-2"
    assert await ring.principal(text) is None, "another tenant of the same name"
    ring.tenants.ids.clear()
    assert await ring.principal(text) is None
    assert ring.refusals == ["foreign", "foreign"]


async def test_when_it_was_used_last_is_written_later(ring):
    _, text = await made(ring)
    await ring.principal(text)
    (kept,) = await keeping.listed(ring, "acme")
    assert kept.last_used_at == ring.time


async def test_two_of_one_name_are_refused(ring):
    await made(ring)
    with pytest.raises(AlreadyExists):
        await made(ring)


@pytest.mark.parametrize("lasts", [0, -1, 367 * DAY, float("inf"), float("nan")])
async def test_none_lasts_for_ever(ring, lasts):
    with pytest.raises(InvalidArgument) as caught:
        await made(ring, lasts=lasts)
    assert caught.value.field == "expiresIn"


@pytest.mark.parametrize("wanted", ["corp:boss", "system:service:x", "account:", "account:A B", "admin"])
def test_a_key_speaks_for_nobody_else(wanted):
    with pytest.raises(PermissionDenied):
        keeping.holder_of(ANNA, wanted)


def test_whose_a_key_may_be():
    assert keeping.holder_of(ANNA, "") == "corp:anna"
    assert keeping.holder_of(ANNA, "account:nightly") == "account:nightly"
    with pytest.raises(InvalidArgument):
        keeping.holder_of(Principal("local:admin"), "")
    with pytest.raises(PermissionDenied):
        keeping.holder_of(Principal("corp:anna", scopes=rules_of(["viewer"])), "account:nightly")


@pytest.mark.parametrize(
    "scope",
    [
        "",
        "everything",
        "get",
        "get:",
        ":runs",
        "get:runs:",
        "get:runs:a:b",
        "GET:runs",
        "get:runs/a/b",
        "a b:c",
    ],
)
def test_what_is_no_scope(scope):
    with pytest.raises(InvalidArgument) as caught:
        rules_of(["viewer", scope])
    assert caught.value.field == "scopes[1]"


def test_the_secret_is_made_once_and_is_long(tmp_path):
    path = tmp_path / "api-keys-secret"
    assert pepper_of(path) == pepper_of(path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("short")
    with pytest.raises(Unavailable):
        pepper_of(path)


async def test_a_bad_key_costs_less_than_a_good_one(ring):
    _, good = await made(ring)
    bad = changed(good, 40)

    async def cost(text):
        took = []
        for _ in range(300):
            began = time.perf_counter()
            await ring.principal(text)
            took.append(time.perf_counter() - began)
        return statistics.median(took)

    await cost(good)
    assert await cost(bad) < await cost(good)


API = "/api/v1/tenants/default/apikeys"


async def test_by_rest(house):
    house.runtime.answers["ListRuns"] = runs_pb2.ListRunsResponse()
    house.registry.answers["GetTenant"] = resources_pb2.TenantRecord(name="default", id="t-1")
    body = {"name": "nightly", "principal": "account:nightly", "scopes": ["viewer"]}
    made = await house.client.post(API, json=body, headers={"Idempotency-Key": "same"})
    assert made.status_code == 201
    key = made.json()["key"]
    again = await house.client.post(API, json=body, headers={"Idempotency-Key": "same"})
    assert again.status_code == 409, "an answer with a secret in it is not kept"
    bearer = {"Authorization": f"Bearer {key}"}
    told = (await house.client.get("/api/v1/auth/whoami", headers=bearer)).json()
    assert (told["principal"], told["tenant"], told["administrator"]) == ("account:nightly", "default", False)
    assert (await house.client.get("/api/v1/tenants/default/runs", headers=bearer)).status_code == 403
    assert (await house.client.post(API, headers=bearer, json={**body, "name": "more"})).status_code == 403
    listed = (await house.client.get(API)).json()["items"]
    assert [(item["name"], item["state"]) for item in listed] == [("nightly", "live")]
    assert "key" not in listed[0] and listed[0]["lastUsedAt"]
    assert (await house.client.delete(f"{API}/nightly")).status_code == 200
    refused = await house.client.get("/api/v1/auth/whoami", headers=bearer)
    assert refused.status_code == 401
    metrics = (await house.client.get("/metrics")).text
    told = [line for line in metrics.splitlines() if line.startswith("api_keys_refused_total")]
    assert len(told) == 1 and 'why="revoked"' in told[0] and told[0].endswith(" 1.0")


async def test_every_credential_that_is_wrong_gets_one_answer(house):
    sealed, _ = Format(PREFIX, pepper_of(house.platform.settings.data_dir / "api-keys-secret")).make()
    wrong = [
        "", "Bearer", "Basic abc", "Bearer qd_wrong", "Bearer qdk_wrong", f"Bearer {sealed}",
        "Bearer " + "x" * 20_000, "Bearer a.b.c", house.token,
    ]  # fmt: skip
    told = set()
    for header in wrong:
        answer = await house.client.get("/api/v1/tenants", headers={"Authorization": header})
        body = {name: value for name, value in answer.json().items() if name != "requestId"}
        told.add((answer.status_code, str(body)))
    assert len(told) == 1
    assert next(iter(told))[0] == 401


async def test_a_stream_ends_with_the_key_that_opened_it(house):
    house.registry.answers["GetTenant"] = resources_pb2.TenantRecord(name="default", id="t-1")
    house.platform.authorizer.authorize = _yes
    body = {"name": "watcher", "principal": "account:watcher"}
    key = (await house.client.post(API, json=body)).json()["key"]
    headers = {"Authorization": f"Bearer {key}", "Accept": "text/event-stream"}
    async with house.client.stream(
        "GET", "/api/v1/tenants/default/agents?watch=true", headers=headers
    ) as stream:
        assert stream.status_code == 200
        assert (await house.client.delete(f"{API}/watcher")).status_code == 200
        text = "".join([chunk async for chunk in stream.aiter_text()])
    assert "AccessEnded" in text


async def _yes(principal, verb, resource, tenant, name=""):
    """Everybody may everything, who is somebody."""
