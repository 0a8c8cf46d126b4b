"""The gateway with the real registry and runtime behind it, and people who come in by their names."""

import shutil
from contextlib import asynccontextmanager

import httpx

from quarterdeck.common.identity import Principal
from quarterdeck.common.service import open_platform
from quarterdeck.common.settings import PlatformSettings
from quarterdeck.gateway.config import GatewaySettings
from quarterdeck.gateway.main import build
from quarterdeck.registry.main import build as build_registry
from quarterdeck.runtime.main import build as build_runtime

API = "quarterdeck.dev/v1alpha1"
T = "/api/v1/tenants/default"


class People:
    """Knows people by tokens that are their names."""

    def knows(self, token):
        return token.startswith("corp:")

    async def principal(self, token):
        name, _, group = token.partition("+")
        return Principal(name, (group,) if group else ()) if name.startswith("corp:") else None


@asynccontextmanager
async def open_door(folder):
    """Yields a `Door` to a platform in a folder."""
    settings = PlatformSettings(data_dir=folder)
    platforms = [open_platform(name, settings) for name in ("registry", "agent-runtime", "gateway")]
    services = [await build_registry(platforms[0]), await build_runtime(platforms[1])]
    admins = ("corp:paul", "group:ops")
    asked_for = GatewaySettings(http_port=0, grpc_port=0, platform_admins=admins, reauthorize=0.1)
    gateway = await build(platforms[2], platforms[:2], asked_for)
    gateway._parts.authenticator._reviewers += (People(),)
    services.append(gateway)
    for service in services:
        await service.start()
    token = (folder / "admin-token").read_text().strip()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.http_port}", timeout=15) as client:
        yield Door(client, token, gateway, {platform.name: platform for platform in platforms})
    for service in reversed(services):
        await service.stop(1)
    for platform in platforms:
        await platform.close()
    shutil.rmtree(settings.sockets_dir(), ignore_errors=True)


class Door:
    def __init__(self, client, token, gateway, platforms):
        self.client, self.token, self.gateway, self.platforms = client, token, gateway, platforms

    async def ask(self, who, method, path, **more):
        headers = {"Authorization": f"Bearer {who or self.token}"}
        return await self.client.request(method, path, headers=headers, **more)

    async def status(self, who, method, path, **more):
        return (await self.ask(who, method, path, **more)).status_code

    async def apply(self, who, plural, kind, name, spec, tenant="default"):
        manifest = {"apiVersion": API, "kind": kind, "metadata": {"name": name}, "spec": spec}
        prefix = f"/api/v1/tenants/{tenant}/" if tenant else "/api/v1/"
        return await self.status(who, "PUT", f"{prefix}{plural}/{name}", json=manifest)

    async def bind(self, role, tenant="default", name="b", **subject):
        spec = {"role": role, "subjects": [subject]}
        return await self.apply("", "accessbindings", "AccessBinding", name, spec, tenant)
