"""Every RPC of the platform: its path, the service that owns it, what it needs, its messages.

Read from the generated descriptors, so that a new RPC is served here without a line of code.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass

from quarterdeck.common.access import Requirement, requirements
from quarterdeck.v1 import (
    approvals_pb2,
    authorization_pb2,
    bus_pb2,
    memory_pb2,
    models_pb2,
    resources_pb2,
    runs_pb2,
    tools_pb2,
)

# The service (a process) that owns each gRPC service.
OWNERS: dict[str, tuple[str, Any]] = {
    "RegistryService": ("registry", resources_pb2),
    "RuntimeService": ("agent-runtime", runs_pb2),
    "ApprovalService": ("agent-runtime", approvals_pb2),
    "ModelService": ("agent-runtime", models_pb2),
    "BusService": ("agent-runtime", bus_pb2),
    "ToolService": ("mcp-manager", tools_pb2),
    "MemoryService": ("memory", memory_pb2),
    "AccessService": ("gateway", authorization_pb2),
}


@dataclass(frozen=True, slots=True)
class Method:
    """One RPC. `path` is "/quarterdeck.v1.RuntimeService/StartRun"."""

    path: str
    owner: str
    requirement: Requirement
    request: Any
    response: Any
    streams: bool


def service_descriptors() -> list[ServiceDescriptor]:
    """Returns the descriptors of all gRPC services."""
    return [module.DESCRIPTOR.services_by_name[name] for name, (_, module) in OWNERS.items()]


@cache
def method_table() -> dict[str, Method]:
    """Returns every RPC by its path."""
    declared = requirements(service_descriptors())
    return {
        method.path: method
        for service in service_descriptors()
        for method in (_method(service, rpc, declared) for rpc in service.methods)
    }


def _method(service: ServiceDescriptor, rpc: MethodDescriptor, declared: dict[str, Requirement]) -> Method:
    path = f"/{service.full_name}/{rpc.name}"
    return Method(
        path=path,
        owner=OWNERS[service.name][0],
        requirement=declared[path],
        request=GetMessageClass(rpc.input_type),
        response=GetMessageClass(rpc.output_type),
        streams=bool(rpc.server_streaming),
    )
