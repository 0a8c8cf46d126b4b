"""The registry and its controller with the rights that the manifests give them, as fixtures."""

from pathlib import Path

import pytest
import yaml
from registry_cluster import Cluster, eventually, there

from quarterdeck.controller.api import reviews
from quarterdeck.controller.api.client import Client
from quarterdeck.controller.api.connection import connect
from quarterdeck.controller.api.errors import AlreadyExists, Forbidden, Invalid
from quarterdeck.controller.api.resource import NAMESPACES, ROLE_BINDINGS, ROLES, Resource
from quarterdeck.controller.api.transport import Transport

BASE = Path(__file__).parents[3] / "k8s" / "base"
RELEASE = "quarterdeck"
ADMISSION = "admissionregistration.k8s.io"
RBAC = "rbac.authorization.k8s.io"
KINDS = {
    "ClusterRole": Resource(RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False),
    "ClusterRoleBinding": Resource(RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False),
    "Role": ROLES,
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
    await eventually(lambda: there(client, NAMESPACES, world.namespace))
    yield world
    await world.stop()


async def client_of(world, account):
    """A client that is one of the two accounts."""
    return Client(Transport(await connect(world.accounts[account]), user_agent="test"))


async def refused(kube, resource, thing):
    """Why an account may not apply something; empty if it was done."""
    try:
        await kube.apply(resource, thing, manager="test")
    except (Invalid, Forbidden) as error:
        return str(error)
    return ""


async def may(client, user, verb, resource, namespace="", name="", *, groups=(), group=""):
    """What the API server says of a user: may they?"""
    plural, _, sub = resource.partition("/")
    question = reviews.Question(verb, group, plural, namespace, name, sub)
    return (await reviews.review_access(client, reviews.User(user, groups=tuple(groups)), question)).allowed
