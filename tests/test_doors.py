"""The running platform against its table of doors: allowed works, denied is denied, nothing is missing."""

import asyncio
import json
from pathlib import Path

import grpc
import httpx
import pytest
import pytest_asyncio

from quarterdeck.cli.platform import EmbeddedPlatform
from quarterdeck.common.authorization.roles import ROLES
from quarterdeck.common.identity import Principal
from quarterdeck.common.settings import PlatformSettings
from quarterdeck.gateway.access.doors import ANYBODY, OWN, PUBLIC, RPCS, rest_doors, rpc_doors
from quarterdeck.gateway.constants import (
    CLUSTER_KINDS,
    LOOPBACK_PATHS,
    OPEN_PATHS,
    OPEN_PREFIXES,
    TENANT_KINDS,
)
from quarterdeck.gateway.methods import method_table
from quarterdeck.gateway.write_doors import operations, text

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "doors.md"
KINDS = {**TENANT_KINDS, **CLUSTER_KINDS}
API = "quarterdeck.dev/v1alpha1"
RUN = "0199d7c2-0000-7000-8000-000000000001"
START = {"kind": "Workflow", "name": "no-such"}
# Bodies that get as far as the question who asks. What they are about is not there.
BODIES = {
    "startRun": START,
    "startRuns": {"runs": [START]},
    "signalRun": {"name": "x"},
    "forkRun": {"beforeSeq": 1},
    "rerunRuns": {"name": "no-such", "kind": "Workflow"},
    "decideApproval": {"approve": True},
    "saveMemory": {"items": [{"id": "a", "text": "b"}]},
    "searchMemory": {"query": "x"},
    "generateModel": {"messages": [{"role": "user", "content": "x"}]},
    "publishEvent": {"specversion": "1.0", "id": "1", "source": "/x", "type": "x"},
    "chatWithAgent": {
        "threadId": "t",
        "runId": "r",
        "messages": [{"id": "1", "role": "user", "content": "x"}],
    },
    "replayDeadLetters": {"ids": ["x"]},
    "checkAccess": {"verb": "get", "resource": "runs"},
    "suspendPrincipal": {"principal": "nobody"},
    "createApiKey": {"name": "x", "principal": "account:x"},
}
PEOPLE = (*ROLES, "nobody")


class People:
    """Knows people by tokens that are their names."""

    def knows(self, token):
        return token.startswith("who:")

    async def principal(self, token):
        return Principal(token)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def platform(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("QD_GATEWAY_HTTP_PORT", "0")
    patch.setenv("QD_GATEWAY_GRPC_PORT", "0")
    patch.setenv("QD_GATEWAY_REQUESTS_PER_MINUTE", "0")
    patch.setenv("QD_GATEWAY_TENANT_REQUESTS_PER_MINUTE", "0")
    patch.setenv("QD_GATEWAY_PLATFORM_ADMINS", '["who:platform-admin"]')
    embedded = EmbeddedPlatform(PlatformSettings(data_dir=tmp_path_factory.mktemp("doors")))
    await embedded.start()
    gateway = embedded.services["gateway"]
    gateway._parts.authenticator._reviewers += (People(),)
    yield embedded
    await embedded.stop(1)
    patch.undo()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(platform):
    gateway = platform.services["gateway"]
    token = (platform.settings.data_dir / "admin-token").read_text().strip()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.http_port}", timeout=20) as made:
        for role in ROLES:
            spec = {"role": role, "subjects": [{"principal": f"who:{role}"}]}
            manifest = {"apiVersion": API, "kind": "AccessBinding", "metadata": {"name": role}, "spec": spec}
            path = f"/api/v1/tenants/default/accessbindings/{role}"
            headers = {"Authorization": f"Bearer {token}"}
            assert (await made.put(path, json=manifest, headers=headers)).is_success
        yield made


def manifest(plural):
    # Too little to be taken in: what is allowed is refused by its schema, and changes nothing.
    return {"apiVersion": API, "kind": KINDS[plural], "metadata": {"name": "walk"}, "spec": {"nothing": 1}}


def sent(door):
    """Returns method, path, and what goes with them."""
    method, path = door.way.split(" ")
    for name, value in {"tenant": "default", "id": RUN, "part": "registry", "principal": "corp:walk"}.items():
        path = path.replace(f"{{{name}}}", value)
    path = path.replace("{name}", "walk").replace("{digest}", "sha256:" + "0" * 64)
    for name in ("server", "tool", "collection", "route"):
        path = path.replace(f"{{{name}}}", "walk")
    assert "{" not in path, path
    if door.operation == "importRun":
        return method, path, {"content": b"x", "headers": {"Content-Type": "application/octet-stream"}}
    body = BODIES.get(door.operation, {})
    if door.plural and method in ("PUT", "POST"):
        body = manifest(door.plural)
    return method, path, {"json": body} if method in ("PUT", "POST") else {}


async def status(client, door, who):
    method, path, more = sent(door)
    headers = dict(more.pop("headers", {}))
    if who:
        headers["Authorization"] = f"Bearer who:{who}"
    return (await client.request(method, path, headers=headers, **more)).status_code


def test_the_page_is_what_the_code_says():
    assert PAGE.read_text() == text(), "run python -m quarterdeck.gateway.write_doors"


def test_each_route_is_in_the_table():
    listed = {door.operation for door in rest_doors(operations())}
    assert listed == set(operations())
    assert set(RPCS) | set(OWN) <= listed, "one that is no more"


def test_each_public_rpc_is_in_the_table():
    assert {door.operation for door in rpc_doors()} == {
        path for path, method in method_table().items() if method.requirement.public
    }


def test_what_is_public_is_what_the_gateway_opens():
    for door in rest_doors(operations()):
        path = door.way.split(" ")[1]
        opened = path in OPEN_PATHS | LOOPBACK_PATHS or path.startswith(OPEN_PREFIXES)
        assert (door.needs == PUBLIC) is opened, door.way


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("who", PEOPLE)
async def test_rest(client, who):
    wrong = {}
    doors = list(rest_doors(operations()))
    # A few of them wait for what is not there.
    codes = await asyncio.gather(*(status(client, door, who) for door in doors))
    for door, code in zip(doors, codes, strict=True):
        allowed = door.needs in (PUBLIC, ANYBODY) or (who != "nobody" and door.lets_in(who))
        if (code == 403) is allowed or code == 401 or (code >= 500 and code != 503):
            wrong[door.way] = code
    assert wrong == {}


@pytest.mark.asyncio(loop_scope="module")
async def test_without_a_credential_nothing_of_rest_but_what_is_public(client):
    closed = [door for door in rest_doors(operations()) if door.needs != PUBLIC]
    assert {await status(client, door, "") for door in closed} == {401}


def request_of(door):
    method = method_table()[door.operation]
    fields = method.request.DESCRIPTOR.fields_by_name
    kind = KINDS.get(door.plural, "Workflow")
    values = {
        "tenant": "default",
        "kind": kind,
        "name": "walk",
        "revision": f"{kind}/walk@000000000000",
        "object_json": json.dumps(manifest(door.plural)).encode() if door.plural else b"",
        "run_id": RUN,
        "server": "walk",
        "tool": "walk",
        "collection": "walk",
        "route": "walk",
    }
    return method, method.request(**{name: value for name, value in values.items() if name in fields})


async def code_of(channel, door, who):
    method, request = request_of(door)
    metadata = (("authorization", f"Bearer who:{who}"),) if who else ()
    wire = {"request_serializer": method.request.SerializeToString, "response_deserializer": bytes}
    try:
        if method.streams:
            call = channel.unary_stream(method.path, **wire)(request, metadata=metadata, timeout=2)
            await call.read()
            call.cancel()
        else:
            await channel.unary_unary(method.path, **wire)(request, metadata=metadata, timeout=10)
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def channel(platform):
    async with grpc.aio.insecure_channel(f"127.0.0.1:{platform.services['gateway'].grpc_port}") as made:
        yield made


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("who", PEOPLE)
async def test_grpc(client, channel, who):
    wrong = {}
    doors = list(rpc_doors())
    codes = await asyncio.gather(*(code_of(channel, door, who) for door in doors))
    for door, code in zip(doors, codes, strict=True):
        allowed = door.needs == ANYBODY or (who != "nobody" and door.lets_in(who))
        refused = code is grpc.StatusCode.PERMISSION_DENIED
        if refused is allowed or code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.INTERNAL):
            wrong[door.way] = code.name
    assert wrong == {}


@pytest.mark.asyncio(loop_scope="module")
async def test_without_a_credential_nothing_of_grpc(channel):
    told = await asyncio.gather(*(code_of(channel, door, "") for door in rpc_doors()))
    assert set(told) == {grpc.StatusCode.UNAUTHENTICATED}


@pytest.mark.asyncio(loop_scope="module")
async def test_what_is_not_public_is_not_there(channel):
    for path, method in method_table().items():
        if not method.requirement.public:
            invoke = channel.unary_unary(path, request_serializer=bytes, response_deserializer=bytes)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await invoke(b"", metadata=(("authorization", "Bearer who:admin"),), timeout=5)
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED, path
