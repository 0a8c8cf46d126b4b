"""Two proofs on every call, at a server that runs: what is good, and what each forgery is refused for."""

import base64
import json
import time

import grpc
import pytest

from quarterdeck.common.constants import HOLDER_HEADER, WORKLOAD_HEADER
from quarterdeck.common.errors import PermissionDenied, Unauthenticated
from quarterdeck.common.identity import Principal, current_call
from quarterdeck.common.proofs.checking import TokenVerifier
from quarterdeck.common.proofs.holders import RUN_TOKEN, RunClaim, Uses, claims_of
from quarterdeck.common.proofs.keys import KEY_LIFETIME, OVERLAP, KeyDirectory, SigningKeys
from quarterdeck.common.proofs.signing import WORKLOAD_TOKEN, WorkloadIdentity
from quarterdeck.common.proofs.tokens import ISSUER, LIFETIME, LONGEST, Refused, sign, take_apart
from quarterdeck.common.rpc_client import act_for
from quarterdeck.common.service import open_platform
from quarterdeck.common.settings import PlatformSettings
from quarterdeck.v1 import memory_pb2, memory_pb2_grpc

ANNA = Principal("corp:anna", ("corp:books", "CN=Books,OU=Ops", "100% sure"))
SEARCH = memory_pb2.SearchMemoryRequest(tenant="acme", collection="invoices")


def run(epoch=1, tenant="acme", run_id="r1", uses=None):
    return RunClaim(ANNA, tenant, "id-1", run_id, epoch, uses or Uses(reads=frozenset({"invoices"})))


class Servicer(memory_pb2_grpc.MemoryServiceServicer):
    def __init__(self):
        self.calls = []

    async def SearchMemory(self, request, context):
        self.calls.append(current_call())
        return memory_pb2.SearchMemoryResponse()

    async def SaveMemory(self, request, context):
        return memory_pb2.SaveMemoryResponse()


class World:
    """memory serves; the others call it as themselves, or with whatever a test makes up."""

    def __init__(self, folder):
        self.settings = PlatformSettings(data_dir=folder)
        self.servicer = Servicer()
        self.memory = open_platform("memory", self.settings)
        self.server = self.memory.rpc_server(memory_pb2.DESCRIPTOR.services_by_name["MemoryService"])
        memory_pb2_grpc.add_MemoryServiceServicer_to_server(self.servicer, self.server.grpc)
        self.services = {n: open_platform(n, self.settings) for n in ("gateway", "agent-runtime", "registry")}

    def identity(self, service):
        return self.services[service].identity

    async def call(self, service, holder, request=SEARCH, method="SearchMemory"):
        peer = self.services[service].peer("memory")
        act_for(holder)
        try:
            return await peer.call(getattr(peer.stub(memory_pb2_grpc.MemoryServiceStub), method), request)
        finally:
            act_for(None)

    async def refused(self, service, workload, holder=None, request=SEARCH):
        """Makes a call with tokens of the test's own; returns what it is told and what was counted."""
        before = self.counted()
        metadata = [(WORKLOAD_HEADER, f"Bearer {workload}")]
        metadata += [(HOLDER_HEADER, holder)] if holder is not None else []
        stub = self.services[service].peer("memory").stub(memory_pb2_grpc.MemoryServiceStub)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.SearchMemory(request, metadata=metadata)
        assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED
        after = self.counted()
        return caught.value.details(), {why for why in after if after[why] != before.get(why, 0)}

    def counted(self):
        return {
            sample.labels["why"]: sample.value
            for metric in self.memory.telemetry.registry.collect()
            for sample in metric.samples
            if sample.name == "call_proofs_refused_total"
        }

    async def stop(self):
        await self.server.stop(0)
        for platform in (self.memory, *self.services.values()):
            await platform.close()


@pytest.fixture
async def world(tmp_path):
    made = World(tmp_path)
    await made.server.start()
    yield made
    await made.stop()


async def test_a_principal_arrives_as_it_was_sent(world):
    await world.call("gateway", ANNA)
    call = world.servicer.calls[0]
    assert (call.service, call.principal, call.run) == ("gateway", ANNA, None)


async def test_a_run_arrives_with_its_principal(world):
    await world.call("agent-runtime", run())
    call = world.servicer.calls[0]
    assert (call.service, call.principal, call.run) == ("agent-runtime", ANNA, run())


async def test_each_forgery_gets_the_same_answer_and_is_counted(world):
    gateway, runtime, registry = (world.identity(n) for n in ("gateway", "agent-runtime", "registry"))
    mine, door = gateway.token("memory"), gateway.token_for(ANNA, "memory", "acme")
    of_runtime, of_run = runtime.token("memory"), runtime.token_for(run(), "memory", "acme")
    unknown = WorkloadIdentity("gateway", KeyDirectory(world.settings.data_dir / "elsewhere"))
    cases = {
        "wrong audience": (gateway.token("registry"), door, "audience"),
        "replay at another service": (mine, gateway.token_for(ANNA, "registry", "acme"), "audience"),
        "other tenant": (mine, gateway.token_for(ANNA, "memory", "globex"), "tenant"),
        "unknown workload": (unknown.token("memory"), door, "key"),
        "principal of an unknown key": (mine, unknown.token_for(ANNA, "memory", "acme"), "key"),
        "nobody": (mine, None, "nobody"),
        "service for itself by a header": (mine, "system:service:registry", "malformed"),
        "principal by the runtime": (of_runtime, runtime.token_for(ANNA, "memory", "acme"), "voucher"),
        "run by the gateway": (mine, gateway.token_for(run(), "memory", "acme"), "voucher"),
        "run by the registry": (of_runtime, registry.token_for(run(), "memory", "acme"), "voucher"),
        "run's proof in the gateway's hands": (mine, of_run, "voucher"),
        "gateway's proof in the runtime's hands": (of_runtime, door, "voucher"),
        "run of another tenant": (of_runtime, runtime.token_for(run(tenant="x"), "memory", "acme"), "tenant"),
        "a holder's proof as a workload's": (door, door, "kind"),
        "a workload's proof as a holder's": (mine, mine, "kind"),
        "a service as principal": (
            mine, gateway.token_for(Principal("system:service:registry"), "memory", "acme"), "subject",
        ),
        "cut off": (mine[:-8], door, "signature"),
        "too long": (mine, "a" * (LONGEST + 1), "malformed"),
    }  # fmt: skip
    told = set()
    for name, (workload, holder, why) in cases.items():
        details, counted = await world.refused("gateway", workload, holder)
        assert counted == {why}, name
        told.add(details)
    assert told == {"the proof of who calls, or for whom, is refused"}
    assert world.servicer.calls == []


async def test_what_was_signed_by_others_or_for_other_times_is_refused(world):
    keys = SigningKeys("gateway", KeyDirectory(world.settings.keys_dir()))
    key_id, private = keys.current()
    now = int(time.time())
    good = {"iss": ISSUER, "sub": "gateway", "aud": "memory", "iat": now, "exp": now + 100}
    cases = [
        ({"exp": now - 1, "iat": now - 200}, "expired"),
        ({"exp": now + int(LIFETIME) + 60}, "lifetime"),
        ({"iat": now + 60, "exp": now + 90}, "lifetime"),
        ({"sub": "registry"}, "subject"),
        ({"iss": "somebody"}, "malformed"),
        ({"exp": "later"}, "malformed"),
    ]
    for change, why in cases:
        _, counted = await world.refused("gateway", sign(WORKLOAD_TOKEN, key_id, {**good, **change}, private))
        assert counted == {why}, change
    verifier = TokenVerifier("memory", KeyDirectory(world.settings.keys_dir()))
    assert verifier.verify(sign(WORKLOAD_TOKEN, key_id, good, private)) == "gateway"
    keys.close()


async def test_an_old_epoch_is_refused_once_a_newer_one_was_seen(world):
    await world.call("agent-runtime", run(epoch=3))
    with pytest.raises(Unauthenticated):
        await world.call("agent-runtime", run(epoch=2))
    await world.call("agent-runtime", run(epoch=2, run_id="another"))
    await world.call("agent-runtime", run(epoch=4))
    assert [call.run.epoch for call in world.servicer.calls] == [3, 2, 4]


async def test_a_run_is_held_to_what_it_declares(world):
    other = memory_pb2.SearchMemoryRequest(tenant="acme", collection="salaries")
    with pytest.raises(PermissionDenied, match="does not declare that it will search salaries") as caught:
        await world.call("agent-runtime", run(), other)
    assert caught.value.reason == "NotDeclared"
    save = memory_pb2.SaveMemoryRequest(tenant="acme", collection="invoices")
    with pytest.raises(PermissionDenied, match="save invoices"):
        await world.call("agent-runtime", run(), save, "SaveMemory")
    writer = run(uses=Uses(writes=frozenset({"invoices"})), epoch=2)
    await world.call("agent-runtime", writer, save, "SaveMemory")
    await world.call("agent-runtime", writer)


def test_a_header_of_another_algorithm_is_none(tmp_path):
    identity = WorkloadIdentity("gateway", KeyDirectory(tmp_path))
    given = identity.token("memory").split(".")
    for header in ({"alg": "none"}, {"alg": "EdDSA", "typ": WORKLOAD_TOKEN, "kid": "x", "jwk": {}}):
        head = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
        with pytest.raises(Refused, match="malformed"):
            take_apart(".".join([head, *given[1:]]))


def test_keys_are_replaced_with_an_overlap(tmp_path):
    now = [1000.0]
    directory = KeyDirectory(tmp_path)
    identity = WorkloadIdentity("gateway", directory, lambda: now[0])
    verifier = TokenVerifier("memory", directory, lambda: now[0])
    first = identity.key_id
    now[0] += KEY_LIFETIME - 1
    old = identity.token("memory")
    now[0] += LIFETIME - 30
    new = identity.token("memory")
    assert take_apart(new).key_id == identity.key_id != first == take_apart(old).key_id
    assert verifier.verify(old) == verifier.verify(new) == "gateway"
    now[0] += OVERLAP
    assert identity.token("registry") and directory.find(first) is None
    assert directory.find(identity.key_id) is not None
    identity.close()
    assert directory.find(identity.key_id) is None


def test_a_key_of_a_process_that_died_ends_by_itself(tmp_path):
    now = [1000.0]
    directory = KeyDirectory(tmp_path)
    dead = SigningKeys("gateway", directory, lambda: now[0])
    key_id, private = dead.current()
    now[0] += KEY_LIFETIME + OVERLAP + 1
    claims = {"iss": ISSUER, "sub": "gateway", "aud": "memory", "iat": int(now[0]), "exp": int(now[0]) + 60}
    verifier = TokenVerifier("memory", directory, lambda: now[0])
    with pytest.raises(Refused, match="key"):
        verifier.verify(sign(WORKLOAD_TOKEN, key_id, claims, private))
    SigningKeys("gateway", directory, lambda: now[0])
    assert directory.find(key_id) is None


def test_a_runs_claims_say_what_it_may_use():
    claims = claims_of(run(uses=Uses(frozenset({"ledger/book"}), frozenset({"a"}), frozenset({"b"}))))
    assert claims == {
        "sub": "corp:anna", "groups": list(ANNA.groups), "tenant": "acme", "tid": "id-1", "run": "r1",
        "epoch": 1, "tools": ["ledger/book"], "reads": ["a"], "writes": ["b"],
    }  # fmt: skip
    assert RUN_TOKEN != WORKLOAD_TOKEN


def test_whose_a_key_is_the_folder_says_where_it_lies(tmp_path):
    """In a cluster each service can write into its own folder alone."""
    directory = KeyDirectory(tmp_path / "keys")
    gateway = SigningKeys("gateway", directory)
    own = KeyDirectory(tmp_path / "keys", tmp_path / "keys" / "memory")
    memory = SigningKeys("memory", own)
    assert directory.find(memory.key_id) is not None
    kept = directory.find(gateway.key_id)
    own.publish("gateway-1-abcd", {**kept, "kid": "gateway-1-abcd"})
    own.publish("memory-1-abcd", {**kept, "kid": "memory-1-abcd"})
    assert directory.find("gateway-1-abcd") is None
    assert directory.find("memory-1-abcd") is None
    memory.close()
    assert directory.find(memory.key_id) is None
    assert directory.find(gateway.key_id) == kept
