"""How often a principal, a tenant and a bad credential may come; at both doors."""

import asyncio
import ipaddress
from dataclasses import replace

import grpc
import httpx
import pytest
from google.rpc import error_details_pb2, status_pb2

from quarterdeck.common.cache import open_cache
from quarterdeck.common.errors import Unauthenticated
from quarterdeck.common.identity import Principal
from quarterdeck.common.rates.shared import SharedBuckets
from quarterdeck.gateway.authentication import LOCAL_ADMIN
from quarterdeck.gateway.config import GatewaySettings
from quarterdeck.gateway.edges.addresses import address_of_peer, bucket_of, client_address
from quarterdeck.gateway.edges.limits import Limits, RateLimited
from quarterdeck.gateway.edges.proofs import FailedProofs
from quarterdeck.v1 import runs_pb2, runs_pb2_grpc

ANNA, BEN = Principal("corp:anna"), Principal("corp:ben")
RUNS = "/api/v1/tenants/default/runs"
WHO = {"Authorization": "Bearer who:anna"}


class People:
    def knows(self, token):
        return token.startswith("who:")

    async def principal(self, token):
        return Principal("corp:" + token.removeprefix("who:")) if token != "who:stranger" else None


@pytest.fixture
def gateway_settings():
    return GatewaySettings(
        http_port=0,
        grpc_port=0,
        requests_per_minute=3,
        tenant_requests_per_minute=6,
        platform_admins=("corp:anna",),
    )


@pytest.fixture
def people(house):
    house.gateway._parts.authenticator._reviewers += (People(),)
    return house


@pytest.fixture
async def buckets():
    cache = open_cache("memory://")
    yield SharedBuckets(cache)
    await cache.close()


def limits(buckets, refused=lambda scope: None, **more):
    rates = {"per_principal": 3, "per_tenant": 5, **more}
    return Limits(buckets, **rates, exempt=LOCAL_ADMIN, refused=refused)


def test_the_defaults():
    settings = GatewaySettings(_env_file=None)
    assert (settings.requests_per_minute, settings.tenant_requests_per_minute) == (60, 600)
    assert settings.failures_per_minute == 60
    assert settings.trusted_proxies == ()


async def test_the_one_over_is_refused_and_told_when(people):
    answers = [await people.client.get("/api/v1/tenants", headers=WHO) for _ in range(4)]
    assert [one.status_code == 429 for one in answers] == [False, False, False, True]
    assert answers[0].headers["ratelimit-policy"] == '"principal";q=3;w=60'
    assert answers[0].headers["ratelimit"] == '"principal";r=2;t=20'
    refused = answers[3]
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.headers["ratelimit"].startswith('"principal";r=0;t=')
    assert 15 < int(refused.headers["retry-after"]) <= 20
    body = refused.json()
    assert (body["reason"], body["status"]) == ("RateLimited", 429)
    assert "anna" not in refused.text
    text = (await people.client.get("/metrics")).text
    assert 'rate_limited_total{scope="principal",service="gateway"} 1.0' in text


async def test_the_local_administrator_is_not_counted(house):
    house.runtime.answers["ListRuns"] = runs_pb2.ListRunsResponse()
    answers = [await house.client.get(RUNS) for _ in range(12)]
    assert {one.status_code for one in answers} == {200}
    assert not any("ratelimit" in one.headers for one in answers)


async def test_open_paths_are_not_counted(people):
    for _ in range(8):
        assert (await people.client.get("/livez", headers=WHO)).status_code == 200


async def test_both_doors_spend_the_same(people):
    for _ in range(3):
        await people.client.get("/api/v1/tenants", headers=WHO)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{people.gateway.grpc_port}") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await runs_pb2_grpc.RuntimeServiceStub(channel).GetRun(
                runs_pb2.GetRunRequest(tenant="default", run_id="x"),
                metadata=[("authorization", "Bearer who:anna")],
            )
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    trailers = dict(caught.value.trailing_metadata())
    assert trailers["ratelimit-policy"] == '"principal";q=3;w=60'
    details = status_pb2.Status.FromString(trailers["grpc-status-details-bin"]).details
    retry = error_details_pb2.RetryInfo()
    assert any(detail.Unpack(retry) for detail in details)
    assert 15 <= retry.retry_delay.seconds <= 20


async def test_a_tenants_allowance_is_for_who_was_allowed_something_in_it(buckets):
    counted = limits(buckets)
    counted.allowed(ANNA, "acme")
    for _ in range(3):
        assert len((await counted.take(BEN, "acme")).levels) == 1  # asks for what it never gets
    assert [level.remaining for level in (await counted.take(ANNA, "acme")).levels] == [2, 4]


async def test_a_tenant_has_one_allowance_for_all(buckets):
    refused = []
    counted = limits(buckets, refused.append)
    for one in (ANNA, BEN):
        counted.allowed(one, "acme")
    for one in (ANNA, ANNA, ANNA, BEN, BEN):
        await counted.take(one, "acme")
    with pytest.raises(RateLimited, match="this tenant"):
        await counted.take(BEN, "acme")
    with pytest.raises(RateLimited):
        await counted.take_of_tenant("acme")
    assert (await counted.take(BEN, "other")).levels[0].remaining == 0, "nothing of Ben's was spent"
    assert refused == ["tenant", "tenant"]


async def test_a_key_of_the_administrator_is_counted(buckets):
    counted = limits(buckets)
    assert (await counted.take(LOCAL_ADMIN, "acme")).levels == ()
    assert (await counted.take(replace(LOCAL_ADMIN, groups=()), "acme")).levels


async def test_zero_is_any_number(buckets):
    counted = limits(buckets, per_principal=0, per_tenant=0)
    counted.allowed(ANNA, "acme")
    assert (await counted.take(ANNA, "acme")).levels == ()
    assert (await counted.take_of_tenant("acme")).levels == ()


async def look(credential):
    if credential not in {"good", "other"}:
        raise Unauthenticated("no")
    return ANNA


async def test_an_address_that_guesses_is_not_looked_at(buckets):
    now = [0.0]
    proofs = FailedProofs(buckets, 3, lambda scope: None, lambda: now[0])
    assert await proofs.prove("192.0.2.1", "good", look) is ANNA
    for _ in range(4):
        with pytest.raises(Unauthenticated):
            await proofs.prove("192.0.2.1", "bad", look)
    for credential in ("bad", "other"):
        with pytest.raises(RateLimited, match="this address"):
            await proofs.prove("192.0.2.1", credential, look)
    assert await proofs.prove("192.0.2.1", "good", look) is ANNA, "it was good before"
    assert await proofs.prove("192.0.2.2", "other", look) is ANNA, "another address"
    now[0] += 21
    assert await proofs.prove("192.0.2.1", "other", look) is ANNA


class TestOpenToOthers:
    """A gateway that does not listen on loopback alone counts bad credentials."""

    @pytest.fixture
    def gateway_settings(self):
        return GatewaySettings(http_port=0, grpc_port=0, host="0.0.0.0", failures_per_minute=2)

    async def test_rest(self, house):
        async with httpx.AsyncClient(base_url=house.url) as client:
            codes = []
            for _ in range(5):
                response = await client.get("/api/v1/tenants", headers={"Authorization": "Bearer qd_wrong"})
                codes.append(response.status_code)
            assert codes == [401, 401, 401, 429, 429]
            assert int(response.headers["retry-after"]) <= 30
            assert (await client.get("/livez")).status_code == 200

    async def test_grpc(self, house):
        codes = []
        async with grpc.aio.insecure_channel(f"127.0.0.1:{house.gateway.grpc_port}") as channel:
            stub = runs_pb2_grpc.RuntimeServiceStub(channel)
            for _ in range(5):
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await stub.GetRun(runs_pb2.GetRunRequest(tenant="default", run_id="x"))
                codes.append(caught.value.code())
        assert codes == [grpc.StatusCode.UNAUTHENTICATED] * 3 + [grpc.StatusCode.RESOURCE_EXHAUSTED] * 2


async def test_on_loopback_bad_credentials_are_not_counted(house):
    wrong = {"Authorization": "Bearer qd_wrong"}
    answers = await asyncio.gather(*(house.client.get(RUNS, headers=wrong) for _ in range(80)))
    assert {one.status_code for one in answers} == {401}


PROXIES = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")]


@pytest.mark.parametrize(
    ("peer", "forwarded", "caller"),
    [
        ("192.0.2.7", "", "192.0.2.7"),
        ("192.0.2.7", "198.51.100.1", "192.0.2.7"),  # nobody we believe
        ("10.1.1.1", "198.51.100.1", "198.51.100.1"),
        ("10.1.1.1", "203.0.113.9, 198.51.100.1", "198.51.100.1"),  # the first was made up
        ("10.1.1.1", "198.51.100.1, 10.2.2.2", "198.51.100.1"),
        ("fd00::1", "2001:db8::5", "2001:db8::5"),
        ("10.1.1.1", "nonsense", "nonsense"),
        ("10.1.1.1", "", "10.1.1.1"),
    ],
)
def test_whose_address_it_is(peer, forwarded, caller):
    assert client_address(peer, forwarded, PROXIES) == caller


@pytest.mark.parametrize(
    ("address", "bucket"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("nonsense", "unknown"),
        ("", "unknown"),
    ],
)
def test_what_is_counted_together(address, bucket):
    assert bucket_of(address) == bucket


@pytest.mark.parametrize(
    ("peer", "address"),
    [("ipv4:192.0.2.7:5123", "192.0.2.7"), ("ipv6:%5B2001:db8::1%5D:9", "2001:db8::1"), ("unix:/x", "")],
)
def test_what_grpc_calls_a_peer(peer, address):
    assert address_of_peer(peer) == address
