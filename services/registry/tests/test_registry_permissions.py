"""The registry and its controller with the rights that the manifests give them, and no others."""

import uuid
from pathlib import Path

import pytest
import yaml
from registry_cluster import RESOURCES, Cluster, eventually, there
from registry_support import agent, manifest

from quarterdeck.controller.api.client import Client
from quarterdeck.controller.api.connection import connect
from quarterdeck.controller.api.errors import AlreadyExists, Forbidden, Invalid
from quarterdeck.controller.api.resource import NAMESPACES, RESOURCE_QUOTAS, ROLE_BINDINGS, Resource
from quarterdeck.controller.api.transport import Transport

BASE = Path(__file__).parents[3] / "k8s" / "base"
RELEASE = "quarterdeck"
ADMISSION = "admissionregistration.k8s.io"
RBAC = "rbac.authorization.k8s.io"
KINDS = {
    "ClusterRole": Resource(RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False),
    "ClusterRoleBinding": Resource(RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False),
    "Role": Resource(RBAC, "v1", "roles", "Role"),
    "RoleBinding": ROLE_BINDINGS,
    "ValidatingAdmissionPolicy": Resource(
        ADMISSION, "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", namespaced=False
    ),
    "ValidatingAdmissionPolicyBinding": Resource(
        ADMISSION,
        "v1",
        "validatingadmissionpolicybindings",
        "ValidatingAdmissionPolicyBinding",
        namespaced=False,
    ),
}
ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")


@pytest.fixture
async def release(client, definitions):
    """The release's namespace, its accounts, and what these may do."""
    for name in ("registry", "registry-controller"):
        try:
            meta = {"metadata": {"name": RELEASE}}
            await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", **meta})
        except AlreadyExists:
            pass
        meta = {"metadata": {"name": name, "namespace": RELEASE}}
        await client.apply(ACCOUNTS, {"apiVersion": "v1", "kind": "ServiceAccount", **meta}, manager="test")
    for file in ("permissions.yaml", "roles.yaml", "confinement.yaml"):
        for thing in yaml.safe_load_all((BASE / file).read_text()):
            resource = KINDS[thing["kind"]]
            if resource.namespaced:
                thing["metadata"]["namespace"] = RELEASE
            await client.apply(resource, thing, manager="test")


async def kubeconfig_of(plane, client, account):
    """A kubeconfig that makes its reader that account of the release, as its pod is."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    answer = await client._write("POST", ACCOUNTS.path(RELEASE, account, "token"), body)
    path = plane.folder / f"kubeconfig-{account}"
    plane.write_kubeconfig(path, plane.port, answer["status"]["token"])
    return str(path)


class LeastCluster(Cluster):
    """Each of the two under its own account."""

    async def start(self):
        self.monkeypatch.setenv("KUBECONFIG", self.accounts["registry"])
        await super().start()

    async def start_controller(self):
        self.monkeypatch.setenv("KUBECONFIG", self.accounts["registry-controller"])
        await super().start_controller()


@pytest.fixture
async def least(plane, client, tenant, release, tmp_path, postgres_database, monkeypatch):
    monkeypatch.setenv("QD_DATABASE_URL", postgres_database)
    monkeypatch.setenv("QD_REGISTRY_OBJECTS", "kubernetes")
    monkeypatch.setenv("QD_REGISTRY_LEASE_NAMESPACE", RELEASE)
    world = LeastCluster(tmp_path, client, tenant)
    world.monkeypatch = monkeypatch
    world.accounts = {
        name: await kubeconfig_of(plane, client, name) for name in ("registry", "registry-controller")
    }
    await world.start()
    yield world
    await world.stop()


async def test_all_that_they_do_is_allowed(least, client):
    spec = {"admins": [{"group": "ops"}]}
    await client.apply(RESOURCES["Tenant"], manifest("Tenant", least.tenant, spec), manager="test")
    await eventually(lambda: there(client, ROLE_BINDINGS, "quarterdeck-admins", least.namespace))
    await client.apply(RESOURCES["Tenant"], manifest("Tenant", least.tenant, {}), manager="test")

    async def said(kind="Ready"):
        thing = await client.get(RESOURCES["Tenant"], least.tenant)
        items = thing.get("status", {}).get("conditions", [])
        return next((item["status"] for item in items if item["type"] == kind), None)

    await eventually(said, lambda status: status == "True")
    left = lambda: there(client, ROLE_BINDINGS, "quarterdeck-admins", least.namespace)  # noqa: E731
    await eventually(left, lambda found: found is None)
    await least.admin.apply(agent("a"), least.tenant)
    assert await least.served("Agent", "a") is not None
    await least.admin.delete("Agent", "a", least.tenant)


async def test_the_controller_gives_away_one_role_and_no_other(least, client):
    kube = Client(Transport(await connect(least.accounts["registry-controller"]), user_agent="test"))
    await eventually(lambda: there(client, NAMESPACES, least.namespace))
    try:
        for role, may in (
            ("quarterdeck-admin", True),
            ("cluster-admin", False),
            ("quarterdeck-developer", False),
        ):
            thing = {
                "apiVersion": f"{RBAC}/v1",
                "kind": "RoleBinding",
                "metadata": {"name": f"x-{uuid.uuid4().hex[:6]}", "namespace": least.namespace},
                "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
                "subjects": [{"apiGroup": RBAC, "kind": "User", "name": "eve"}],
            }
            if may:
                await kube.create(ROLE_BINDINGS, thing)
                continue
            with pytest.raises(Forbidden):
                await kube.create(ROLE_BINDINGS, thing)
    finally:
        await kube.close()


async def test_the_controller_writes_in_tenants_namespaces_and_nowhere_else(least, client):
    kube = Client(Transport(await connect(least.accounts["registry-controller"]), user_agent="test"))
    space = f"theirs-{uuid.uuid4().hex[:8]}"
    await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}})
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "x", "namespace": space},
        "spec": {"hard": {"pods": "1"}},
    }

    async def refused(resource, thing):
        try:
            await kube.apply(resource, thing, manager="test")
        except (Invalid, Forbidden) as error:
            return str(error)
        return ""

    def namespace(name, **labels):
        return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}

    mark = {"quarterdeck.dev/tenant": "eve"}
    try:
        # The API server takes a moment to know of a policy.
        said = await eventually(lambda: refused(RESOURCE_QUOTAS, quota))
        assert f"namespace {space} is no tenant's" in said
        assert "was given to no tenant" in await eventually(
            lambda: refused(NAMESPACES, namespace(space, **mark))
        )
        assert "says whose it is" in await refused(NAMESPACES, namespace(f"{space}-b", a="b"))
        assert await refused(NAMESPACES, namespace("kube-system", **mark))
        await client.merge(NAMESPACES, space, {"metadata": {"labels": mark}})

        async def may():
            return not await refused(RESOURCE_QUOTAS, quota)

        await eventually(may)
        assert not await refused(NAMESPACES, namespace(space, **mark))
    finally:
        await kube.close()
