"""A running registry and mcp-manager, and the clients that speak to them."""

from __future__ import annotations

import asyncio
import importlib
import itertools
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from quarterdeck.common import codec
from quarterdeck.common.identity import Principal
from quarterdeck.common.proofs.holders import RunClaim, Uses
from quarterdeck.common.rpc_client import Peer, act_for
from quarterdeck.common.service import Platform, Service, open_platform
from quarterdeck.common.settings import PlatformSettings
from quarterdeck.v1 import resources_pb2, resources_pb2_grpc, tools_pb2, tools_pb2_grpc

NASTY = Path(__file__).parent / "servers" / "nasty.py"
ADMIN = Principal("admin", ("quarterdeck:platform-admins",))
Status = tools_pb2.ToolOutcome
State = tools_pb2.CallRecord


MANAGER = """
import asyncio, sys
from pathlib import Path
from quarterdeck.common.service import open_platform
from quarterdeck.common.settings import PlatformSettings
from quarterdeck.mcp.main import build

async def main():
    service = await build(open_platform("mcp-manager", PlatformSettings(data_dir=Path(sys.argv[1]))))
    await service.start()
    print("up", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def nasty(name: str = "nasty", **spec: Any) -> dict[str, Any]:
    """An MCPServer of the misbehaving server."""
    environment = spec.pop("env", {})
    local = {"command": [sys.executable, str(NASTY)], "env": environment}
    return manifest("MCPServer", name, {"local": local, "isolation": "shared", **spec})


def policy(effect: str = "allow", **rule: Any) -> dict[str, Any]:
    """A Policy with one rule over every tool."""
    return manifest(
        "Policy", rule.pop("name", effect.lower()), {"rules": [{"name": "r", "effect": effect, **rule}]}
    )


def manifest(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": name}
    return {"apiVersion": "quarterdeck.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


def value(outcome: tools_pb2.ToolOutcome) -> Any:
    assert outcome.status == Status.STATUS_OK, outcome
    return json.loads(outcome.result_json)


async def eventually(condition: Callable[[], Any], within: float = 10.0) -> None:
    """Waits until `condition` (it may return an awaitable) holds."""
    until = time.monotonic() + within
    while True:
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return
        assert time.monotonic() < until, "it did not happen in time"
        await asyncio.sleep(0.02)


class World:
    """Two services on one data directory, spoken to as gateway (an administrator) and as runtime."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings = PlatformSettings(data_dir=path / "data")
        self.written = path / "written"
        self._running: dict[str, tuple[Service, Platform]] = {}
        self._clients: list[Platform] = []
        self._ids = itertools.count()

    async def start(self) -> None:
        await self.start_service("registry", "quarterdeck.registry.main")
        await self.start_service("mcp-manager", "quarterdeck.mcp.main")
        self.gateway, self.runtime = (self._client(name) for name in ("gateway", "agent-runtime"))

    def _client(self, name: str) -> Platform:
        self._clients.append(open_platform(name, self.settings))
        return self._clients[-1]

    async def start_service(self, name: str, module: str) -> None:
        platform = open_platform(name, self.settings)
        service: Service = await importlib.import_module(module).build(platform)
        await service.start()
        self._running[name] = (service, platform)

    async def stop_service(self, name: str, grace: float = 6.0) -> None:
        service, platform = self._running.pop(name)
        await service.stop(grace)
        await platform.close()

    async def restart_manager(self, grace: float = 6.0) -> None:
        await self.stop_service("mcp-manager", grace)
        await self.start_service("mcp-manager", "quarterdeck.mcp.main")

    async def start_manager_process(self) -> asyncio.subprocess.Process:
        """Starts mcp-manager in a process of its own, so that it can be killed."""
        arguments = (sys.executable, "-c", MANAGER, str(self.settings.data_dir))
        process = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None
        assert await process.stdout.readline() == b"up\n"
        return process

    async def stop(self) -> None:
        for name in reversed(list(self._running)):
            await self.stop_service(name)
        for client in self._clients:
            await client.close()

    # The registry.

    def _registry(self) -> tuple[Peer, Any]:
        peer = self.gateway.peer("registry")
        return peer, peer.stub(resources_pb2_grpc.RegistryServiceStub)

    async def apply(self, *objects: dict[str, Any]) -> None:
        peer, stub = self._registry()
        act_for(ADMIN)
        for document in objects:
            request = resources_pb2.ApplyObjectRequest(tenant="default", object_json=codec.dumps(document))
            await peer.call(stub.ApplyObject, request)
        act_for(None)

    async def delete(self, kind: str, name: str) -> None:
        peer, stub = self._registry()
        act_for(ADMIN)
        await peer.call(
            stub.DeleteObject, resources_pb2.DeleteObjectRequest(tenant="default", kind=kind, name=name)
        )
        act_for(None)

    async def status(self, name: str = "nasty") -> dict[str, Any]:
        peer, stub = self._registry()
        act_for(ADMIN)
        request = resources_pb2.GetObjectRequest(tenant="default", kind="MCPServer", name=name)
        found = codec.loads((await peer.call(stub.GetObject, request)).object_json)
        act_for(None)
        status: dict[str, Any] = found.get("status", {})
        return status

    async def condition(self, kind: str, name: str = "nasty") -> dict[str, Any]:
        conditions = (await self.status(name)).get("conditions", [])
        found: dict[str, Any] = next((item for item in conditions if item["type"] == kind), {})
        return found

    async def until_ready(self, name: str = "nasty") -> None:
        async def ready() -> bool:
            return bool((await self.condition("Ready", name)).get("status") == "True")

        await eventually(ready)

    # The tools.

    def tools(self, platform: Platform | None = None) -> tuple[Peer, Any]:
        peer = (platform or self.runtime).peer("mcp-manager")
        return peer, peer.stub(tools_pb2_grpc.ToolServiceStub)

    async def list_tools(self, server: str = "") -> tools_pb2.ListToolsResponse:
        peer, stub = self.tools()
        response: tools_pb2.ListToolsResponse = await peer.call(
            stub.ListTools, tools_pb2.ListToolsRequest(tenant="default", server=server)
        )
        return response

    def request(self, tool: str, arguments: Any = None, **fields: Any) -> tools_pb2.CallToolRequest:
        fields.setdefault("call_id", f"call-{next(self._ids)}")
        fields.setdefault("server", "nasty")
        fields.setdefault("run_id", "run-1")
        encoded = codec.dumps({} if arguments is None else arguments)
        return tools_pb2.CallToolRequest(tenant="default", tool=tool, arguments_json=encoded, **fields)

    async def call(
        self, tool: str, arguments: Any = None, platform: Platform | None = None, **fields: Any
    ) -> tools_pb2.ToolOutcome:
        return await self.send(self.request(tool, arguments, **fields), platform)

    async def send(
        self, request: tools_pb2.CallToolRequest, platform: Platform | None = None
    ) -> tools_pb2.ToolOutcome:
        peer, stub = self.tools(platform)
        act_for(self.run_of(request) if platform is None else ADMIN)
        outcome: tools_pb2.ToolOutcome = await peer.call(stub.CallTool, request, timeout=60)
        act_for(None)
        return outcome

    def run_of(self, request: tools_pb2.CallToolRequest) -> RunClaim:
        """What the runtime says of the run that makes a call."""
        uses = Uses(frozenset({f"{request.server}/*"}))
        principal = Principal(request.principal or "local:admin")
        return RunClaim(principal, "default", "t1", request.run_id, 1, uses)

    async def record(self, call_id: str) -> tools_pb2.CallRecord:
        peer, stub = self.tools()
        request = tools_pb2.GetCallRequest(tenant="default", call_id=call_id)
        record: tools_pb2.CallRecord = await peer.call(stub.GetCall, request)
        return record

    async def cancel(self, call_id: str) -> tools_pb2.CallRecord:
        peer, stub = self.tools()
        request = tools_pb2.CancelCallRequest(tenant="default", call_id=call_id)
        record: tools_pb2.CallRecord = await peer.call(stub.CancelCall, request)
        return record

    async def seal(self, *call_ids: str) -> list[tools_pb2.CallRecord]:
        """Closes call ids, as the runtime does."""
        peer, stub = self.tools()
        request = tools_pb2.SealCallsRequest(tenant="default", call_ids=call_ids)
        response: tools_pb2.SealCallsResponse = await peer.call(stub.SealCalls, request)
        return list(response.records)

    def metric(self, name: str, **labels: str) -> float | None:
        """A metric of mcp-manager."""
        return self._running["mcp-manager"][1].telemetry.registry.get_sample_value(name, labels)

    def lines(self) -> list[str]:
        """What the misbehaving server has written to its file."""
        return self.written.read_text().splitlines() if self.written.exists() else []

    def nasty(self, **spec: Any) -> dict[str, Any]:
        """The misbehaving server, writing to this world's file."""
        return nasty(**{**spec, "env": {"NASTY_FILE": str(self.written), **spec.get("env", {})}})
