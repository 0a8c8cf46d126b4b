"""Who calls, by tokens of Kubernetes accounts: a real API server issues them, and is asked nothing."""

import time
import uuid

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pydantic import ValidationError

from quarterdeck.common.errors import Unauthenticated, Unavailable
from quarterdeck.common.identity import Principal, current_call
from quarterdeck.common.proofs.accounts import Accounts, AccountTokens, AccountVerifier, audience_of
from quarterdeck.common.proofs.keys import LOOK_AGAIN
from quarterdeck.common.proofs.tokens import Refused
from quarterdeck.common.rpc_client import act_for
from quarterdeck.common.service import open_platform
from quarterdeck.common.settings import PlatformSettings
from quarterdeck.controller.api.resource import NAMESPACES, Resource
from quarterdeck.v1 import memory_pb2, memory_pb2_grpc

ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")
FORGERS = {
    "RS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
}
NAMES = {"mcp-controller": "mcp-manager"}


class Cluster:
    """Namespaces with accounts, and their tokens as a kubelet would write them."""

    def __init__(self, client, folder):
        self.client, self.folder = client, folder
        self.keys = folder / "keys.json"
        self.space = f"qd-{uuid.uuid4().hex[:8]}"

    async def make(self):
        self.keys.write_text(await self.client.raw("/openid/v1/jwks", accept="application/jwk-set+json"))
        await self.add_space(self.space)

    async def add_space(self, name):
        meta = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        await self.client.create(NAMESPACES, meta)

    async def token(self, account, audience, space=""):
        space = space or self.space
        if account not in {one["metadata"]["name"] for one in await self._accounts(space)}:
            meta = {"name": account, "namespace": space}
            await self.client.create(
                ACCOUNTS, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}
            )
        spec = {"expirationSeconds": 600, "audiences": [audience]}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        return (await self.client._write("POST", ACCOUNTS.path(space, account, "token"), body))["status"][
            "token"
        ]

    async def _accounts(self, space):
        found = await self.client.list_all(ACCOUNTS)
        return [one for one in found if one["metadata"]["namespace"] == space]

    async def pod(self, account, *services):
        """Returns the directory that a pod of an account has."""
        directory = self.folder / f"pod-{account}"
        directory.mkdir(exist_ok=True)
        for service in services:
            (directory / service).write_text(await self.token(account, audience_of(service)))
        return directory

    def verifier(self, tokens, now=time.time):
        return AccountVerifier("memory", Accounts(tokens, self.keys, NAMES), now)


@pytest.fixture
async def cluster(client, tmp_path):
    made = Cluster(client, tmp_path)
    await made.make()
    return made


@pytest.fixture
async def memory(cluster):
    """memory's own pod."""
    return await cluster.pod("memory", "memory")


async def test_the_account_says_which_service_it_is(cluster, memory):
    verifier = cluster.verifier(memory)
    for account, service in {"gateway": "gateway", **NAMES}.items():
        pod = await cluster.pod(account, "memory")
        ends, proven = verifier.verify(AccountTokens(pod).token("memory"))
        assert proven == service
        assert 500 < ends - time.time() <= 660


@pytest.mark.parametrize("audience", [audience_of("registry"), "memory", "https://kubernetes.default.svc"])
async def test_a_token_for_another_is_refused(cluster, memory, audience):
    token = await cluster.token("gateway", audience)
    with pytest.raises(Refused, match="audience"):
        cluster.verifier(memory).verify(token)


async def test_an_account_of_that_name_elsewhere_is_nobody(cluster, memory):
    other = f"{cluster.space}-other"
    await cluster.add_space(other)
    token = await cluster.token("gateway", audience_of("memory"), other)
    with pytest.raises(Refused, match="subject"):
        cluster.verifier(memory).verify(token)


async def test_what_another_has_signed_is_refused(cluster, memory):
    good = await cluster.token("gateway", audience_of("memory"))
    header, claims = jwt.get_unverified_header(good), jwt.decode(good, options={"verify_signature": False})
    verifier, algorithm = cluster.verifier(memory), header["alg"]
    forger = FORGERS[algorithm]()
    forged = jwt.encode(claims, forger, algorithm, headers={"kid": header["kid"]})
    with pytest.raises(Refused, match="signature"):
        verifier.verify(forged)
    with pytest.raises(Refused, match="key"):
        verifier.verify(jwt.encode(claims, forger, algorithm, headers={"kid": "another"}))
    with pytest.raises(Refused, match="malformed"):
        verifier.verify(jwt.encode(claims, None, "none", headers={"kid": header["kid"]}))
    with pytest.raises(Refused, match="malformed"):
        verifier.verify("no.token.at-all")


async def test_one_that_has_ended_is_refused(cluster, memory, monkeypatch):
    token = await cluster.token("gateway", audience_of("memory"))
    whole = jwt.api_jwt.PyJWT._validate_exp

    def later(self, payload, now, leeway):
        whole(self, payload, now + 900, leeway)

    monkeypatch.setattr(jwt.api_jwt.PyJWT, "_validate_exp", later)
    with pytest.raises(Refused, match="expired"):
        cluster.verifier(memory).verify(token)


async def test_keys_that_are_replaced_count_a_moment_later(cluster, memory):
    token, kept, now = (
        await cluster.token("gateway", audience_of("memory")),
        cluster.keys.read_text(),
        [1000.0],
    )
    cluster.keys.write_text('{"keys": []}')
    verifier = cluster.verifier(memory, lambda: now[0])
    with pytest.raises(Refused, match="key"):
        verifier.verify(token)
    cluster.keys.write_text(kept)
    now[0] += LOOK_AGAIN
    assert verifier.verify(token)[1] == "gateway"


async def test_a_token_that_the_kubelet_replaces_is_shown_a_moment_later(cluster, memory):
    now = [1000.0]
    tokens = AccountTokens(memory, lambda: now[0])
    first = tokens.token("memory")
    (memory / "memory").write_text("another")
    assert tokens.token("memory") == first
    now[0] += LOOK_AGAIN
    assert tokens.token("memory") == "another"


def test_a_pod_without_a_token_for_a_service_says_so(tmp_path):
    with pytest.raises(Unavailable, match="no token for memory"):
        AccountTokens(tmp_path).token("memory")


class Servicer(memory_pb2_grpc.MemoryServiceServicer):
    async def GetCollectionStats(self, request, context):
        return memory_pb2.CollectionStats(collection=current_call().service)


async def test_calls_between_services(cluster, memory, tmp_path):
    """What a service has signed itself proves nothing any more; what the cluster has signed does."""

    def settings(pod):
        return PlatformSettings(data_dir=tmp_path, workload_tokens=pod, workload_keys=cluster.keys)

    served = open_platform("memory", settings(memory))
    server = served.rpc_server(memory_pb2.DESCRIPTOR.services_by_name["MemoryService"])
    memory_pb2_grpc.add_MemoryServiceServicer_to_server(Servicer(), server.grpc)
    await server.start()
    gateway = open_platform("gateway", settings(await cluster.pod("gateway", "memory")))
    alone = open_platform("gateway", PlatformSettings(data_dir=tmp_path))
    try:
        assert await stats(gateway) == "gateway"
        with pytest.raises(Unauthenticated):
            await stats(alone)
    finally:
        await server.stop(0)
        for platform in (served, gateway, alone):
            await platform.close()


async def stats(platform):
    """Calls memory for a person; returns as whom it arrived."""
    peer = platform.peer("memory")
    act_for(Principal("corp:anna"))
    try:
        method = peer.stub(memory_pb2_grpc.MemoryServiceStub).GetCollectionStats
        asked = memory_pb2.GetCollectionStatsRequest(tenant="acme", collection="c")
        return (await peer.call(method, asked)).collection
    finally:
        act_for(None)


def test_tokens_without_keys_are_a_mistake(tmp_path):
    with pytest.raises(ValidationError, match="go together"):
        PlatformSettings(data_dir=tmp_path, workload_tokens=tmp_path)
