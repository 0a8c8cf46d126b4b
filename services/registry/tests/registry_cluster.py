"""A replica of the registry and one of its controller over a real API server, as fixtures."""

import asyncio
import uuid
from pathlib import Path

import pytest
import yaml
from registry_support import ADMIN, World, manifest

from hack.services.api_server import api_server
from quarterdeck.common.errors import NotFound
from quarterdeck.common.service import open_platform
from quarterdeck.common.settings import PlatformSettings
from quarterdeck.controller.api.errors import NotFound as NotThere
from quarterdeck.controller.api.resource import NAMESPACES, Resource
from quarterdeck.controller.testing.crds import install_crds
from quarterdeck.registry import control
from quarterdeck.registry.kube.places import resources
from quarterdeck.v1 import resources_pb2 as pb

DEFINITIONS = Path(__file__).parents[3] / "charts" / "quarterdeck-crds" / "templates"
RESOURCES = resources()


async def eventually(look, wanted=bool, seconds=10):
    """Returns what `look` finds as soon as it is as `wanted`; fails with what there is after a while."""
    found = None
    for _ in range(int(seconds / 0.05)):
        found = await look()
        if wanted(found):
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {found}")


@pytest.fixture(scope="session")
def plane():
    """An API server of its own: what other tests left in theirs would be taken over, too."""
    with api_server() as made:
        yield made


@pytest.fixture
async def definitions(client):
    """The CRDs, established."""
    found = [yaml.safe_load(path.read_text()) for path in sorted(DEFINITIONS.glob("*.yaml"))]
    await install_crds(client, found)
    await _may_do_all(client, ADMIN.subject)


async def _may_do_all(client, user):
    api, name = "rbac.authorization.k8s.io", "quarterdeck-all"
    rules = [{"apiGroups": ["quarterdeck.dev"], "resources": ["*"], "verbs": ["*"]}]
    meta = {"apiVersion": f"{api}/v1", "metadata": {"name": name}}
    role = Resource(api, "v1", "clusterroles", "ClusterRole", namespaced=False)
    await client.apply(role, meta | {"kind": "ClusterRole", "rules": rules}, manager="test")
    binding = Resource(api, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False)
    held = {
        "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": name},
        "subjects": [{"apiGroup": api, "kind": "User", "name": user}],
    }
    await client.apply(binding, meta | {"kind": "ClusterRoleBinding"} | held, manager="test")


@pytest.fixture
async def tenant(client, definitions):
    """A Tenant of its own; it goes in the end. Nothing here removes a namespace."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    await client.create(RESOURCES["Tenant"], manifest("Tenant", name, {"displayName": "T"}))
    yield name
    for kind in ("Agent", "Workflow"):
        for thing in await client.list_all(RESOURCES[kind]):
            await client.delete(RESOURCES[kind], thing["metadata"]["name"], thing["metadata"]["namespace"])
    for thing in await client.list_all(RESOURCES["Tenant"]):
        await client.delete(RESOURCES["Tenant"], thing["metadata"]["name"])


class Cluster(World):
    """A replica of the registry and one of its controller."""

    def __init__(self, directory, client, tenant):
        super().__init__(directory)
        self.kube = client
        self.tenant = tenant
        self.namespace = f"qd-{tenant}"

    async def start(self):
        await super().start()
        await self.start_controller()

    async def start_controller(self):
        self.controller_platform = open_platform("registry", PlatformSettings(data_dir=self.directory / "c"))
        self.controller = await control.build(self.controller_platform)
        await self.controller.start()

    async def stop_controller(self):
        await self.controller.stop(5)
        await self.controller_platform.close()

    async def stop(self):
        await self.stop_controller()
        await super().stop()

    async def created(self, thing):
        thing["metadata"]["namespace"] = self.namespace
        return await self.kube.create(RESOURCES[thing["kind"]], thing)

    async def in_cluster(self, kind, name):
        return await self.kube.get(RESOURCES[kind], name, self.namespace)

    async def served(self, kind, name, client=None):
        """The object as the registry serves it; None if it does not."""
        try:
            return await (client or self.admin).get(kind, name, self.tenant)
        except NotFound:
            return None


@pytest.fixture
async def cluster(plane, client, tenant, tmp_path, postgres_database, monkeypatch):
    monkeypatch.setenv("QD_DATABASE_URL", postgres_database)
    monkeypatch.setenv("QD_REGISTRY_OBJECTS", "kubernetes")
    monkeypatch.setenv("KUBECONFIG", str(plane.kubeconfig))
    world = Cluster(tmp_path, client, tenant)
    await world.start()
    await eventually(lambda: world.served("Agent", "none", world.admin), lambda _: True)
    await eventually(lambda: tenant_row(world))
    await eventually(lambda: there(client, NAMESPACES, world.namespace))
    yield world
    await world.stop()


async def tenant_row(world):
    try:
        return await world.admin.call("GetTenant", pb.GetTenantRequest(tenant=world.tenant))
    except NotFound:
        return None


async def there(client, resource, name, namespace=""):
    """An object of the cluster; None if it is not there."""
    try:
        return await client.get(resource, name, namespace)
    except NotThere:
        return None
