"""What the other services ask the door."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from quarterdeck.common.access import Authorizer
from quarterdeck.common.authorization.accounts import account_principal
from quarterdeck.common.authorization.rules import Question
from quarterdeck.common.clock import rfc3339
from quarterdeck.common.errors import InvalidArgument, PermissionDenied
from quarterdeck.common.identity import Principal, current_call
from quarterdeck.gateway.access.explaining import Judge, answer_of, needed_to_ask_about_others, told_of
from quarterdeck.gateway.access.suspending import Suspended, Suspension
from quarterdeck.v1 import authorization_pb2, authorization_pb2_grpc

SpaceOf = Callable[[str], Awaitable[str]]
"""Returns the space of a tenant in which its accounts have their names. Raises NotFound."""


async def own_space(tenant: str) -> str:
    """Returns the space of a tenant without a cluster: itself."""
    return tenant


class Deciding(Authorizer, Judge, Protocol):
    """Lets in, and says why."""


async def checked(
    authorizer: Deciding, asking: Principal, question: Question, about: Principal | None
) -> dict[str, Any]:
    """Returns whether somebody may do something, as the API tells it; about whoever asks, or somebody else.

    Raises:
        PermissionDenied: who asks may not see what others may do.
    """
    if about is not None and about.subject != asking.subject:
        await authorizer.authorize(asking, *needed_to_ask_about_others(question))
    else:
        about = asking
    return answer_of(about, question, await authorizer.verdict(about, question))


class AccessServicer(authorization_pb2_grpc.AccessServiceServicer):
    """Answers by the roles that are in force.

    Args:
        authorizer: returns who decides at the moment.
    """

    def __init__(self, authorizer: Callable[[], Deciding], space_of: SpaceOf, suspended: Suspended) -> None:
        self._authorizer = authorizer
        self._space_of = space_of
        self._suspended = suspended

    async def ActAsAccount(
        self, request: authorization_pb2.ActAsAccountRequest, context: Any
    ) -> authorization_pb2.ActAsAccountResponse:
        """See the contract."""
        principal = account_principal(await self._space_of(request.tenant), request.name)
        if self._suspended.has(principal.subject):
            raise PermissionDenied(f"{principal.subject} is suspended", reason="Suspended")
        await self._authorizer().authorize(principal, "create", "runs", request.tenant, request.target)
        return authorization_pb2.ActAsAccountResponse(subject=principal.subject, groups=principal.groups)

    async def WhoAmI(
        self, request: authorization_pb2.WhoAmIRequest, context: Any
    ) -> authorization_pb2.WhoAmIResponse:
        """See the contract."""
        told = told_of(current_call().principal)
        return authorization_pb2.WhoAmIResponse(**{**told, "tenant": told["tenant"] or ""})

    async def CheckAccess(
        self, request: authorization_pb2.CheckAccessRequest, context: Any
    ) -> authorization_pb2.CheckAccessResponse:
        """See the contract."""
        question = Question(request.verb, request.resource, request.tenant, request.name)
        if not request.verb or not request.resource:
            raise InvalidArgument("a question has a verb and a resource", field="verb")
        about = Principal(request.principal, tuple(request.groups)) if request.principal else None
        told = await checked(self._authorizer(), current_call().principal, question, about)
        said = {name: told[name] or "" for name in ("principal", "reason", "role", "source", "rule")}
        return authorization_pb2.CheckAccessResponse(
            allowed=told["allowed"], roles_that_allow=told["rolesThatAllow"], **said
        )

    async def SuspendPrincipal(
        self, request: authorization_pb2.SuspendPrincipalRequest, context: Any
    ) -> authorization_pb2.Suspension:
        """See the contract."""
        by = current_call().principal.subject
        return _told(await self._suspended.suspend(request.principal, request.reason, by))

    async def RestorePrincipal(
        self, request: authorization_pb2.RestorePrincipalRequest, context: Any
    ) -> authorization_pb2.Suspension:
        """See the contract."""
        by = current_call().principal.subject
        return _told(await self._suspended.restore(request.principal, by))

    async def ListSuspensions(
        self, request: authorization_pb2.ListSuspensionsRequest, context: Any
    ) -> authorization_pb2.ListSuspensionsResponse:
        """See the contract."""
        return authorization_pb2.ListSuspensionsResponse(items=map(_told, self._suspended.all()))


def _told(one: Suspension) -> authorization_pb2.Suspension:
    return authorization_pb2.Suspension(
        principal=one.principal, reason=one.reason, by=one.by, since=rfc3339(one.since)
    )
