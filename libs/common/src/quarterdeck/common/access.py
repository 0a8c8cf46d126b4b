"""What each RPC needs, read from the contracts, and whether a caller has it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import ServiceDescriptor

from quarterdeck.common.errors import PermissionDenied, Unauthenticated
from quarterdeck.common.identity import Principal
from quarterdeck.v1 import access_pb2


@dataclass(frozen=True, slots=True)
class Requirement:
    """One RPC's declaration. `method` is its full path, "/quarterdeck.v1.RuntimeService/StartRun"."""

    method: str
    verb: str
    resource: str
    callers: frozenset[str]
    public: bool
    idempotent: bool
    personal: bool


def requirements(services: Iterable[ServiceDescriptor]) -> dict[str, Requirement]:
    """Reads the `access` option of every RPC.

    Raises:
        ValueError: an RPC declares nothing; its service must not start.
    """
    found: dict[str, Requirement] = {}
    for service in services:
        for method in service.methods:
            options = method.GetOptions()
            path = f"/{service.full_name}/{method.name}"
            if not options.HasExtension(access_pb2.access):
                raise ValueError(f"{path} declares no access option in its .proto")
            access = options.Extensions[access_pb2.access]
            found[path] = Requirement(
                path,
                access.verb,
                access.resource,
                frozenset(access.callers),
                access.public,
                options.idempotency_level != descriptor_pb2.MethodOptions.IDEMPOTENCY_UNKNOWN,
                access.personal,
            )
    return found


def require_caller(requirement: Requirement, service: str) -> None:
    """Raises Unauthenticated unless the RPC declares `service` among its callers."""
    if service not in requirement.callers:
        raise Unauthenticated(
            f"service {service!r} may not call {requirement.method}", reason="CallerNotDeclared"
        )


class Authorizer(Protocol):
    """Answers whether a principal may do something."""

    async def authorize(
        self, principal: Principal, verb: str, resource: str, tenant: str, name: str = ""
    ) -> None:
        """Returns if allowed. Raises PermissionDenied with what is missing."""


class DoorAuthorizer:
    """Takes the gateway's word: it knows whether the principal may, and nobody else brings principals in.

    Who calls is proven by the workload's token and the callers that the RPC declares.
    """

    async def authorize(
        self, principal: Principal, verb: str, resource: str, tenant: str, name: str = ""
    ) -> None:
        """See `Authorizer.authorize`."""
        if not principal.subject:
            raise PermissionDenied(f"an anonymous caller may not {verb} {resource}")


class LocalAuthorizer:
    """Administrators and the services themselves may, nobody else: the rule before roles are known."""

    async def authorize(
        self, principal: Principal, verb: str, resource: str, tenant: str, name: str = ""
    ) -> None:
        """See `Authorizer.authorize`."""
        if principal.is_platform_admin or principal.is_service:
            return
        where = f" in tenant {tenant!r}" if tenant else ""
        raise PermissionDenied(
            f"{principal.subject or 'anonymous'} may not {verb} {resource}{where}",
            hint="ask an administrator for a role that allows it",
        )
