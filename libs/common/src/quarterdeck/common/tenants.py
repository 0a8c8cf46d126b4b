"""Tenant names to immutable ids, asked of the registry once and remembered."""

from __future__ import annotations

import time
from dataclasses import dataclass

from quarterdeck.common.errors import InvalidArgument
from quarterdeck.common.rpc_client import RECONNECT_SECONDS, Peer
from quarterdeck.v1 import resources_pb2, resources_pb2_grpc

# A suspended or removed tenant is noticed after this many seconds.
FRESH_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class TenantId:
    """A tenant's name and its UUID; in a cluster also its namespace."""

    name: str
    id: str
    suspended: bool = False
    namespace: str = ""


class TenantDirectory:
    """Resolves tenants. An answer outlives the registry's absence: the id of a name never changes."""

    def __init__(self, registry: Peer) -> None:
        self._registry = registry
        self._stub = registry.stub(resources_pb2_grpc.RegistryServiceStub)
        self._known: dict[str, tuple[float, TenantId]] = {}

    async def resolve(self, name: str, *, patience: float = RECONNECT_SECONDS) -> TenantId:
        """Returns the tenant; while the registry is away, as it was known last.

        Args:
            patience: seconds to wait for the registry where the tenant was never known; see `Peer.call`.

        Raises:
            NotFound: there is no such tenant.
            InvalidArgument: the name is empty.
            Unavailable: nobody knows.
        """
        if not name:
            raise InvalidArgument("a tenant is required", field="tenant")
        asked_at, tenant = self._known.get(name, (0.0, None))
        if tenant is not None and time.monotonic() - asked_at < FRESH_SECONDS:
            return tenant
        from quarterdeck.common.errors import Unavailable

        try:
            record = await self._registry.call(
                self._stub.GetTenant,
                resources_pb2.GetTenantRequest(tenant=name),
                patience=patience if tenant is None else 0,
            )
        except Unavailable:
            if tenant is not None:
                return tenant
            raise
        tenant = TenantId(record.name, record.id, record.suspended, record.namespace)
        self._known[name] = (time.monotonic(), tenant)
        return tenant
