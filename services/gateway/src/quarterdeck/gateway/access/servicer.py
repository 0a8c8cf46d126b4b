"""What the other services ask the door."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from quarterdeck.common.access import Authorizer
from quarterdeck.common.authorization.accounts import account_principal
from quarterdeck.v1 import authorization_pb2, authorization_pb2_grpc

SpaceOf = Callable[[str], Awaitable[str]]
"""Returns the space of a tenant in which its accounts have their names. Raises NotFound."""


async def own_space(tenant: str) -> str:
    """Returns the space of a tenant without a cluster: itself."""
    return tenant


class AccessServicer(authorization_pb2_grpc.AccessServiceServicer):
    """Answers by the roles that are in force.

    Args:
        authorizer: returns who decides at the moment.
    """

    def __init__(self, authorizer: Callable[[], Authorizer], space_of: SpaceOf) -> None:
        self._authorizer = authorizer
        self._space_of = space_of

    async def ActAsAccount(
        self, request: authorization_pb2.ActAsAccountRequest, context: Any
    ) -> authorization_pb2.ActAsAccountResponse:
        """See the contract."""
        principal = account_principal(await self._space_of(request.tenant), request.name)
        await self._authorizer().authorize(principal, "create", "runs", request.tenant, request.target)
        return authorization_pb2.ActAsAccountResponse(subject=principal.subject, groups=principal.groups)
