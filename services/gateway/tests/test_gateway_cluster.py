"""The door in a cluster: a real API server says whose tokens are and what they may do."""

import asyncio
import base64
import json
import uuid
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry, Counter

from quarterdeck.common.errors import PermissionDenied, Unavailable
from quarterdeck.common.identity import Principal
from quarterdeck.controller.api.resource import NAMESPACES, ROLE_BINDINGS, Resource
from quarterdeck.controller.api.reviews import User
from quarterdeck.controller.testing.proxy import FaultyProxy
from quarterdeck.gateway.cluster import access
from quarterdeck.gateway.cluster.access import ClusterAuthorizer
from quarterdeck.gateway.cluster.tokens import TokenReviews, expiry_of, principal_of
from quarterdeck.v1 import resources_pb2, runs_pb2

ROLES = Path(__file__).parents[3] / "k8s" / "base" / "roles.yaml"
RBAC = "rbac.authorization.k8s.io"
CLUSTER_ROLES = Resource(RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False)
CLUSTER_BINDINGS = Resource(RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False)
ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")
AUDIENCE = "quarterdeck"


@pytest.fixture(autouse=True)
def in_a_cluster(plane, monkeypatch):
    """For the fixture `house`, too: this one comes first."""
    monkeypatch.setenv("KUBECONFIG", str(plane.kubeconfig))
    monkeypatch.setenv("QD_ACCESS", "kubernetes")


@pytest.fixture
async def space(client):
    """A namespace, and the roles."""
    for role in yaml.safe_load_all(ROLES.read_text()):
        resource = CLUSTER_ROLES if role["kind"] == "ClusterRole" else CLUSTER_BINDINGS
        await client.apply(resource, role, manager="test")
    name = f"qd-{uuid.uuid4().hex[:8]}"
    await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


@pytest.fixture
def standing():
    return Counter("standing", "For tests.", ["about"], registry=CollectorRegistry())


@pytest.fixture
async def anna(client, space):
    """A service account of its own: its name there, and tokens of it."""
    meta = {"name": "anna", "namespace": space}
    await client.create(ACCOUNTS, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
    return f"system:serviceaccount:{space}:anna"


async def token_of(client, space, *audiences):
    """A token of anna's; for the API server itself, as pods get it, where no audience is named."""
    spec = {"expirationSeconds": 600} | ({"audiences": list(audiences)} if audiences else {})
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    path = ACCOUNTS.path(space, "anna", "token")
    answer = await client._write("POST", path, body)
    return answer["status"]["token"]


async def bind(client, space, role, user):
    await client.apply(
        ROLE_BINDINGS,
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": role, "namespace": space},
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": RBAC, "kind": "User", "name": user}],
        },
        manager="test",
    )


async def allowed(authorizer, user, verb, resource, tenant="acme"):
    try:
        await authorizer.authorize(Principal(user), verb, resource, tenant)
    except PermissionDenied:
        return False
    return True


def in_space(space):
    async def namespace_of(_tenant):
        return space

    return namespace_of


async def test_a_token_for_us_is_let_in_and_one_that_every_pod_has_is_not(client, space, anna, house):
    house.registry.answers["GetTenant"] = resources_pb2.TenantRecord(
        name="default", id=str(uuid.uuid4()), namespace=space
    )
    house.runtime.answers["ListRuns"] = runs_pb2.ListRunsResponse()
    path = "/api/v1/tenants/default/runs"

    async def status(token):
        return (await house.client.get(path, headers={"Authorization": f"Bearer {token}"})).status_code

    ours = await token_of(client, space, AUDIENCE)
    assert await status(await token_of(client, space)) == 401
    assert await status(await token_of(client, space, "another")) == 401
    assert await status("nonsense") == 401
    assert await status(ours) == 403
    await bind(client, space, "quarterdeck-viewer", anna)
    for _ in range(100):
        if await status(ours) == 200:
            break
        await asyncio.sleep(0.05)
    assert await status(ours) == 200
    refused = await house.client.post(
        path, headers={"Authorization": f"Bearer {ours}"}, json={"kind": "Workflow", "name": "w"}
    )
    assert refused.status_code == 403
    assert anna in refused.json()["detail"]
    assert "kubectl auth can-i create runs.quarterdeck.dev" in refused.json()["hint"]
    assert await status(house.token) == 200, "the local administrator still comes in"


async def test_a_principal_keeps_its_groups(client, space, anna, standing):
    reviews = TokenReviews(client, AUDIENCE, standing)
    found = await reviews.principal(await token_of(client, space, AUDIENCE))
    assert found.subject == anna
    assert f"system:serviceaccounts:{space}" in found.groups


@pytest.mark.parametrize("name", ["system:service:gateway", "local:admin", ""])
def test_nobody_in_the_cluster_is_what_only_the_platform_is(name):
    assert principal_of(User(name)) is None
    assert principal_of(User("eve", groups=("quarterdeck:platform-admins", "ops"))).groups == ("ops",)


async def test_a_token_is_asked_about_once_for_many_and_again_after_ten_seconds(
    client, space, anna, standing, monkeypatch
):
    asked, now = [], [0.0]
    create = client.create

    async def counting(resource, thing, **query):
        asked.append(resource.kind)
        return await create(resource, thing, **query)

    monkeypatch.setattr(client, "create", counting)
    reviews = TokenReviews(client, AUDIENCE, standing, lambda: now[0])
    token = await token_of(client, space, AUDIENCE)
    found = await asyncio.gather(*(reviews.principal(token) for _ in range(20)))
    assert {each.subject for each in found} == {anna} and asked == ["TokenReview"]
    now[0] = 10.5
    await reviews.principal(token)
    assert asked == ["TokenReview"] * 2


@pytest.fixture
async def cut(plane):
    """A client whose way to the API server can be cut, and the proxy that does it."""
    proxy = FaultyProxy(plane.port)
    await proxy.start()
    made = await plane.client(proxy.listening)
    yield made, proxy
    await made.close()
    await proxy.stop()


async def test_without_the_api_server_who_was_let_in_stays_and_others_are_told_to_come_back(
    cut, client, space, anna, standing, monkeypatch
):
    monkeypatch.setattr("quarterdeck.gateway.cluster.answers.PATIENCE", 0.3)
    through, proxy = cut
    now = [0.0]
    reviews = TokenReviews(through, AUDIENCE, standing, lambda: now[0])
    doors = ClusterAuthorizer(through, in_space(space), standing, lambda: now[0])
    await bind(client, space, "quarterdeck-admin", anna)
    token, other = await token_of(client, space, AUDIENCE), await token_of(client, space, AUDIENCE, "x")
    await reviews.principal(token)
    for verb, resource in (("get", "runs"), ("create", "runs"), ("decide", "approvals/decide")):
        for _ in range(100):
            if await allowed(doors, anna, verb, resource):
                break
            await asyncio.sleep(0.05)
        assert await allowed(doors, anna, verb, resource)
    await allowed(doors, anna, "update", "agents")
    proxy.refuse()
    proxy.cut()
    now[0] = 800.0
    assert (await reviews.principal(token)).subject == anna
    assert await allowed(doors, anna, "get", "runs")
    assert await allowed(doors, anna, "create", "runs")
    assert standing.labels("access")._value.get() == 2 and standing.labels("token")._value.get() == 1
    for verb, resource in (("decide", "approvals/decide"), ("update", "agents"), ("list", "runs")):
        with pytest.raises(Unavailable):
            await allowed(doors, anna, verb, resource)
    with pytest.raises(Unavailable) as away:
        await reviews.principal(other)
    assert away.value.http_status == 503
    now[0] = 901.0
    for late in (reviews.principal(token), allowed(doors, anna, "get", "runs")):
        with pytest.raises(Unavailable):
            await late


async def test_what_was_taken_away_is_refused_within_ten_seconds(client, space, anna, standing):
    now = [0.0]
    doors = ClusterAuthorizer(client, in_space(space), standing, lambda: now[0])
    await bind(client, space, "quarterdeck-viewer", anna)
    for _ in range(100):
        if await allowed(doors, anna, "get", "runs"):
            break
        await asyncio.sleep(0.05)
    await client.delete(ROLE_BINDINGS, "quarterdeck-viewer", space)
    assert await allowed(doors, anna, "get", "runs"), "an allow of this moment counts"
    now[0] = 10.5
    for _ in range(100):
        if not await allowed(doors, anna, "get", "runs"):
            break
        now[0] += 10.5
        await asyncio.sleep(0.05)
    assert not await allowed(doors, anna, "get", "runs")


async def test_a_batch_starts_nothing_that_one_may_not_start(client, space, anna, house):
    """A role by names: the runtime takes the gateway's word, so that has to be for all of a batch."""
    house.registry.answers["GetTenant"] = resources_pb2.TenantRecord(
        name="default", id=str(uuid.uuid4()), namespace=space
    )
    house.runtime.answers["StartRuns"] = runs_pb2.StartRunsResponse(runs=[runs_pb2.StartedRun(run_id="r")])
    rules = [
        {
            "apiGroups": ["quarterdeck.dev"],
            "resources": ["runs"],
            "resourceNames": ["mine"],
            "verbs": ["create"],
        }
    ]
    meta = {"name": f"mine-{space}"}
    role = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": meta, "rules": rules}
    await client.apply(CLUSTER_ROLES, role, manager="test")
    await bind(client, space, f"mine-{space}", anna)
    token = await token_of(client, space, AUDIENCE)

    async def status(*names):
        answer = await house.client.post(
            "/api/v1/tenants/default/runs/batch",
            headers={"Authorization": f"Bearer {token}"},
            json={"runs": [{"kind": "Workflow", "name": name} for name in names]},
        )
        return answer.status_code

    for _ in range(100):
        if await status("mine") != 403:
            break
        await asyncio.sleep(0.05)
    assert await status("mine") < 300
    before = house.runtime.count(runs_pb2.StartRunsRequest)
    assert await status("mine", "theirs") == 403
    assert house.runtime.count(runs_pb2.StartRunsRequest) == before


CASES = {
    "viewer": ({"get runs", "list agents", "search memories/search"}, {"create runs", "call tools/call"}),
    "developer": (
        {"create runs", "update agents", "call tools/call", "save memories/save", "call triggers/fire"},
        {"update policies", "decide approvals/decide", "update runs/terminate", "update approvalpolicies"},
    ),
    "operator": (
        {"update runs/terminate", "get runs/export", "create runs/import", "update runs/archive"},
        {"update agents", "call tools/call", "decide approvals/decide"},
    ),
    "approver": ({"decide approvals/decide", "get runs"}, {"create runs", "list agents", "update agents"}),
    "admin": (
        {"decide approvals/decide", "update policies", "create runs", "call tools/call"},
        {"update tenants", "update platformpolicies", "update agents/status"},
    ),
}


@pytest.mark.parametrize("role", CASES)
async def test_what_a_role_allows(role, client, space, standing):
    user = f"{role}@example.org"
    doors = ClusterAuthorizer(client, in_space(space), standing)
    await bind(client, space, f"quarterdeck-{role}", user)
    may, may_not = CASES[role]
    for _ in range(100):
        if await allowed(doors, user, "get", "runs"):
            break
        await asyncio.sleep(0.05)
    found = {words for words in may | may_not if await allowed(doors, user, *words.split())}
    assert found == may


def test_the_administrators_role_covers_all_that_people_may_call():
    from quarterdeck.gateway.constants import CLUSTER_KINDS, TENANT_KINDS
    from quarterdeck.gateway.methods import method_table

    roles = {role["metadata"]["name"]: role for role in yaml.safe_load_all(ROLES.read_text())}
    rules = roles["quarterdeck-admin"]["rules"]
    given = {(verb, what) for rule in rules for verb in rule["verbs"] for what in rule["resources"]}
    wanted = set()
    for method in method_table().values():
        needs = method.requirement
        if needs.public:
            kinds = TENANT_KINDS if needs.resource.startswith("*") else [""]
            wanted |= {(needs.verb, needs.resource.replace("*", kind)) for kind in kinds}
    assert len(wanted) > 50
    # Who is let in at all is a matter of the platform; who one is oneself needs no right.
    assert {resource for _, resource in wanted - given} == {"suspensions", ""}
    assert not {resource for _, resource in given} & set(CLUSTER_KINDS)


def test_what_goes_on_without_the_api_server():
    going = {("get", "agents"), ("list", "runs"), ("search", "memories/search"), ("create", "runs")}
    assert all(access.goes_on(*each) for each in going | {("call", "tools/call")})
    standing_still = {("create", "runs/import"), ("update", "agents"), ("decide", "approvals/decide")}
    assert not any(access.goes_on(*each) for each in standing_still)


def test_when_a_token_ends():
    claims = base64.urlsafe_b64encode(json.dumps({"exp": 5}).encode()).decode().rstrip("=")
    assert expiry_of(f"a.{claims}.c") == 5
    for opaque in ("opaque", "a.b.c", "a.e30.c"):
        assert expiry_of(opaque) == float("inf")
