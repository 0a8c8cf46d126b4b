"""A running registry, and clients that speak to it as the services that may."""

import asyncio
import json
from dataclasses import dataclass, field

from quarterdeck.common.identity import Principal
from quarterdeck.common.rpc_client import act_for
from quarterdeck.common.service import open_platform
from quarterdeck.common.settings import PlatformSettings
from quarterdeck.registry.main import build
from quarterdeck.v1 import resources_pb2 as pb
from quarterdeck.v1 import resources_pb2_grpc

ADMIN = Principal("local:admin", ("quarterdeck:platform-admins",))


def manifest(kind, name, spec=None, labels=None, **metadata):
    meta = {"name": name, **({"labels": labels} if labels else {}), **metadata}
    return {"apiVersion": "quarterdeck.dev/v1alpha1", "kind": kind, "metadata": meta, "spec": spec or {}}


def agent(name, **spec):
    return manifest("Agent", name, {"instructions": "Help.", **spec})


def workflow(name, *nodes, **spec):
    return manifest("Workflow", name, {"nodes": list(nodes), **spec})


def server(name, **spec):
    return manifest("MCPServer", name, {"local": {"command": ["true"]}, **spec})


def route(name="default"):
    providers = [{"provider": "playbook", "model": "p", "playbook": "p.yaml"}]
    return manifest("ModelRoute", name, {"tiers": [{"name": "standard", "providers": providers}]})


def body(message):
    """The object of a message as a dict."""
    return json.loads(message.object_json)


def condition(message, kind):
    found = body(message).get("status", {}).get("conditions", [])
    return next((item for item in found if item["type"] == kind), None)


@dataclass
class Client:
    """One service's calls to the registry."""

    peer: object
    principal: Principal | None
    stub: object = field(init=False)

    def __post_init__(self):
        self.stub = self.peer.stub(resources_pb2_grpc.RegistryServiceStub)

    async def call(self, name, request):
        act_for(self.principal)
        return await self.peer.call(getattr(self.stub, name), request, 10)

    async def apply(self, item, tenant="default", **options):
        request = pb.ApplyObjectRequest(tenant=tenant, object_json=json.dumps(item).encode(), **options)
        return await self.call("ApplyObject", request)

    async def get(self, kind, name, tenant="default"):
        return await self.call("GetObject", pb.GetObjectRequest(tenant=tenant, kind=kind, name=name))

    async def delete(self, kind, name, tenant="default", **options):
        request = pb.DeleteObjectRequest(tenant=tenant, kind=kind, name=name, **options)
        return await self.call("DeleteObject", request)

    async def list(self, kind, tenant="default", **options):
        return await self.call("ListObjects", pb.ListObjectsRequest(tenant=tenant, kind=kind, **options))

    async def report(self, kind, name, status, tenant="default", observed_generation=0):
        request = pb.UpdateStatusRequest(
            tenant=tenant,
            kind=kind,
            name=name,
            status_json=json.dumps(status).encode(),
            observed_generation=observed_generation,
        )
        return await self.call("UpdateStatus", request)

    async def closure(self, kind, name, tenant="default"):
        return await self.call(
            "ResolveClosure", pb.ResolveClosureRequest(tenant=tenant, kind=kind, name=name)
        )

    def watch(self, **request):
        act_for(self.principal)
        return self.peer.stream(self.stub.WatchObjects, pb.WatchObjectsRequest(**request))

    async def until(self, kind, name, wanted, status="True", reason=None, tenant="default"):
        """Waits for a condition; fails with what there is after 5 s."""
        found = None
        for _ in range(500):
            message = await self.get(kind, name, tenant)
            found = condition(message, wanted)
            if found and found["status"] == status and reason in {None, found["reason"]}:
                return found
            await asyncio.sleep(0.01)
        raise AssertionError(f"{kind}/{name} {wanted} is {found}, not {status} {reason}")


class World:
    """A registry in a directory, and its clients."""

    def __init__(self, directory):
        self.directory = directory
        self.platforms = {}
        self.service = None

    async def start(self):
        settings = PlatformSettings(data_dir=self.directory)
        names = ("registry", "gateway", "mcp-manager", "agent-runtime", "memory")
        self.platforms = {name: open_platform(name, settings) for name in names}
        self.service = await build(self.platforms["registry"])
        await self.service.start()

    async def stop(self):
        await self.service.stop(0.1)
        for platform in self.platforms.values():
            await platform.close()
        act_for(None)

    async def restart(self):
        await self.stop()
        await self.start()

    def client(self, service, principal=None):
        return Client(self.platforms[service].peer("registry"), principal)

    @property
    def admin(self):
        """The administrator, through the gateway."""
        return self.client("gateway", ADMIN)

    @property
    def feed(self):
        return self.service._feed
