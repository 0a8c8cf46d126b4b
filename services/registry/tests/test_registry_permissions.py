"""The registry and its controller with the rights that the manifests give them, and no others."""

import uuid
from pathlib import Path

import pytest
import yaml
from registry_cluster import RESOURCES, Cluster, eventually, there
from registry_support import agent, manifest

from quarterdeck.controller.api.client import Client
from quarterdeck.controller.api.connection import connect
from quarterdeck.controller.api.errors import AlreadyExists, Forbidden
from quarterdeck.controller.api.resource import NAMESPACES, ROLE_BINDINGS, Resource
from quarterdeck.controller.api.transport import Transport

BASE = Path(__file__).parents[3] / "k8s" / "base"
RELEASE = "quarterdeck"
RBAC = "rbac.authorization.k8s.io"
KINDS = {
    "ClusterRole": Resource(RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False),
    "ClusterRoleBinding": Resource(RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False),
    "Role": Resource(RBAC, "v1", "roles", "Role"),
    "RoleBinding": ROLE_BINDINGS,
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
    for file in ("permissions.yaml", "roles.yaml"):
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
