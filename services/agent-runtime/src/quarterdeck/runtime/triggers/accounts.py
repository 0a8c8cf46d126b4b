"""Whom a trigger's runs act for: a service account of its tenant, if that may start the target now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from quarterdeck.common.authorization.accounts import account_principal
from quarterdeck.common.identity import Principal
from quarterdeck.common.rpc_client import Peer
from quarterdeck.common.tenants import TenantId
from quarterdeck.runtime.triggers.declared import Declared
from quarterdeck.v1 import authorization_pb2, authorization_pb2_grpc

Admit = Callable[[TenantId, Declared], Awaitable[Principal]]
"""Returns whom a trigger's runs act for.

Raises:
    PermissionDenied: the account may not start the target.
    Unavailable: nobody can say at the moment.
"""


class Accounts:
    """Asks the gateway, which knows the roles."""

    def __init__(self, gateway: Peer) -> None:
        self._gateway = gateway
        self._stub = gateway.stub(authorization_pb2_grpc.AccessServiceStub)

    async def admit(self, tenant: TenantId, declared: Declared) -> Principal:
        """See `Admit`."""
        request = authorization_pb2.ActAsAccountRequest(
            tenant=tenant.name,
            name=declared.service_account,
            kind=declared.target_kind,
            target=declared.target_name,
        )
        answer = await self._gateway.call(self._stub.ActAsAccount, request)
        return Principal(answer.subject, tuple(answer.groups))


async def everybody(tenant: TenantId, declared: Declared) -> Principal:
    """Lets every account start everything: where nobody is asked, in a simulation."""
    return account_principal(tenant.name, declared.service_account)
