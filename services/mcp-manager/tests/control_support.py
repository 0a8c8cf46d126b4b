"""A Tenant's namespace on a real API server, and the controller of MCPServers with its rights."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from quarterdeck.common.service import open_platform
from quarterdeck.common.settings import PlatformSettings
from quarterdeck.controller.api.client import Client
from quarterdeck.controller.api.errors import NotFound
from quarterdeck.controller.api.resource import NAMESPACES, Resource
from quarterdeck.controller.testing.control_plane import ControlPlane
from quarterdeck.controller.testing.crds import install_crds
from quarterdeck.controller.writing.conditions import find
from quarterdeck.mcp.control import main
from quarterdeck.mcp.control.kinds import DEPLOYMENTS, MCP_SERVERS, PODS, SERVICE_ACCOUNTS, TENANTS
from quarterdeck.mcp.control.secrets import ROLE
from quarterdeck.mcp.pods.names import POOL, SERVER, SERVING

DEFINITIONS = Path(__file__).parents[3] / "charts" / "quarterdeck-crds" / "templates"
MANIFEST = Path(__file__).parents[3] / "k8s" / "base" / "mcp-controller.yaml"
RELEASE = "quarterdeck"
SPEC = {"container": {"image": "ledger:1", "command": ["python", "server.py"]}}
SECRET = {"name": "KEY", "secretRef": {"secret": {"name": "keys", "key": "k"}}}


async def eventually(look: Callable[[], Awaitable[Any]], seconds: float = 10) -> Any:
    """Returns what `look` finds as soon as it finds something."""
    for _ in range(int(seconds / 0.05)):
        if found := await look():
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"not within {seconds} s")


def definitions() -> list[dict[str, Any]]:
    """Returns the CRDs that the controller needs."""
    return [yaml.safe_load((DEFINITIONS / f"{name}.yaml").read_text()) for name in ("mcpservers", "tenants")]


class Cluster:
    """A namespace of a Tenant, and what is in it."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client = client
        self.namespace = namespace

    async def server(self, name: str, spec: dict[str, Any], **meta: Any) -> dict[str, Any]:
        thing = {
            "apiVersion": MCP_SERVERS.api_version,
            "kind": "MCPServer",
            "metadata": {"name": name, "namespace": self.namespace, **meta},
            "spec": spec,
        }
        return await self.client.apply(MCP_SERVERS, thing, manager="author")

    async def get(self, resource: Any, name: str) -> dict[str, Any] | None:
        try:
            return await self.client.get(resource, name, self.namespace)
        except NotFound:
            return None

    async def condition(self, server: str, kind: str = "Ready") -> dict[str, Any]:
        thing = await self.client.get(MCP_SERVERS, server, self.namespace)
        return dict(find((thing.get("status") or {}).get("conditions") or [], kind) or {})

    async def until(self, server: str, reason: str, kind: str = "Ready") -> dict[str, Any]:
        async def said() -> dict[str, Any] | None:
            found = await self.condition(server, kind)
            return found if found.get("reason") == reason else None

        return dict(await eventually(said))

    async def made(self, resource: Any, name: str) -> dict[str, Any]:
        return dict(await eventually(lambda: self.get(resource, name)))

    async def may_read(self, *secrets: str) -> None:
        """Gives the controller the Secrets of these names, as the registry's controller would."""
        head = {"apiVersion": f"{RBAC}/v1", "metadata": {"name": ROLE, "namespace": self.namespace}}
        rule = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": secrets, "verbs": ["get"]}
        await self.client.apply(
            GRANTS["Role"], head | {"kind": "Role", "rules": [rule] if secrets else []}, manager="test"
        )
        ref = {"apiGroup": RBAC, "kind": "Role", "name": ROLE}
        subjects = [{"kind": "ServiceAccount", "name": "mcp-controller", "namespace": RELEASE}]
        binding = head | {"kind": "RoleBinding", "roleRef": ref, "subjects": subjects}
        await self.client.apply(GRANTS["RoleBinding"], binding, manager="test")

    async def play_kubelet(self, server: str, container: dict[str, Any]) -> None:
        """Makes a pod of a server, as its Deployment's controller would, with what a kubelet says of it."""
        template = (await self.made(DEPLOYMENTS, f"mcp-{server}"))["spec"]["template"]
        name = f"mcp-{server}-x"
        meta = {"name": name, "namespace": self.namespace, **template["metadata"]}
        assert meta["labels"].items() >= {SERVER: server, POOL: SERVING}.items()
        if await self.get(PODS, name) is None:
            spec = {**template["spec"], "serviceAccountName": "default"}
            await self.client.create(
                PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
            )
        said = {"name": "tool", "image": "ledger:1", "imageID": "", "ready": False, "restartCount": 0}
        status = {"containerStatuses": [{**said, **container}]}
        await self.client.merge(PODS, name, {"status": status}, self.namespace, "status")

    async def pod(self, name: str, template: dict[str, Any], of: str, *, ready: bool, **meta: Any) -> None:
        """Makes a pod of the ReplicaSet with the hash `of`, and says whether it is ready, as others would."""
        labels = {**template["metadata"]["labels"], "pod-template-hash": of}
        marks = template["metadata"]["annotations"]
        names = {"name": name, "namespace": self.namespace, "labels": labels, "annotations": marks, **meta}
        spec = {**template["spec"], "serviceAccountName": "default"}
        await self.client.create(PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": names, "spec": spec})
        condition = {"type": "Ready", "status": "True" if ready else "False"}
        status = {"status": {"conditions": [condition]}}
        await self.client.merge(PODS, name, status, self.namespace, "status")

    async def play_deployment_controller(self, server: str, available: int) -> None:
        """Says of a Deployment what its controller would."""
        name = f"mcp-{server}"
        present = await self.made(DEPLOYMENTS, name)
        counts = dict.fromkeys(("replicas", "updatedReplicas"), present["spec"]["replicas"])
        ready = {"availableReplicas": available, "readyReplicas": available}
        status = {"observedGeneration": present["metadata"]["generation"], **counts, **ready}
        await self.client.merge(DEPLOYMENTS, name, {"status": status}, self.namespace, "status")


@pytest.fixture
async def cluster(client: Client) -> AsyncIterator[Cluster]:
    """A Tenant's namespace; the registry's controller, which is not here, would have said that it is its."""
    await install_crds(client, definitions())
    name = f"t-{uuid.uuid4().hex[:8]}"
    made = Cluster(client, f"qd-{name}")
    meta = {"name": made.namespace, "labels": {"quarterdeck.dev/tenant": name}}
    await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": meta})
    account = {"name": "default", "namespace": made.namespace}
    await client.apply(
        SERVICE_ACCOUNTS, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account}, manager="test"
    )
    tenant = {"apiVersion": TENANTS.api_version, "kind": "Tenant", "metadata": {"name": name}, "spec": {}}
    await client.create(TENANTS, tenant)
    await client.merge(
        TENANTS, name, {"status": {"id": "1", "namespace": made.namespace}}, subresource="status"
    )
    yield made
    for thing in await client.list_all(MCP_SERVERS):
        await client.delete(MCP_SERVERS, thing["metadata"]["name"], thing["metadata"]["namespace"])


class Replica:
    """A process with the controller."""

    def __init__(self, directory: Path) -> None:
        self.platform = open_platform("mcp-manager", PlatformSettings(data_dir=directory))

    async def start(self) -> None:
        self.service = await main.build(self.platform)
        await self.service.start()

    async def stop(self) -> None:
        await self.service.stop(5)
        await self.platform.close()


RBAC = "rbac.authorization.k8s.io"
GRANTS = {
    "ClusterRole": Resource(RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False),
    "ClusterRoleBinding": Resource(RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False),
    "Role": Resource(RBAC, "v1", "roles", "Role"),
    "RoleBinding": Resource(RBAC, "v1", "rolebindings", "RoleBinding"),
    "ServiceAccount": SERVICE_ACCOUNTS,
}


@pytest.fixture
async def account(client: Client, plane: ControlPlane, tmp_path: Path) -> Path:
    """A kubeconfig of the account that the manifests give the controller, with what they let it do."""
    meta = {"metadata": {"name": RELEASE}}
    await client.apply(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", **meta}, manager="test")
    for thing in yaml.safe_load_all(MANIFEST.read_text()):
        resource = GRANTS.get(thing["kind"])
        if resource is not None:
            if resource.namespaced:
                thing["metadata"]["namespace"] = RELEASE
            await client.apply(resource, thing, manager="test")
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    made = await client._write("POST", SERVICE_ACCOUNTS.path(RELEASE, "mcp-controller", "token"), request)
    path = tmp_path / "kubeconfig"
    plane.write_kubeconfig(path, plane.port, made["status"]["token"])
    return path


@pytest.fixture
async def controller(
    cluster: Cluster, account: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Replica]:
    monkeypatch.setenv("KUBECONFIG", str(account))
    monkeypatch.setenv("QD_MCP_CONTROLLER_LEASE_NAMESPACE", RELEASE)
    monkeypatch.setenv("QD_MCP_CONTROLLER_SECRET_PERIOD", "0.2")
    made = Replica(tmp_path / "controller")
    await made.start()
    yield made
    await made.stop()
