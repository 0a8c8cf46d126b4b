"""Who one is, what one may do, and why."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from quarterdeck.common.authorization.rules import Question
from quarterdeck.common.identity import Principal
from quarterdeck.gateway.access.explaining import told_of
from quarterdeck.gateway.access.servicer import checked
from quarterdeck.gateway.authentication import current_principal
from quarterdeck.gateway.config import GatewaySettings
from quarterdeck.gateway.constants import API_PREFIX
from quarterdeck.gateway.oidc.providers import Provider
from quarterdeck.gateway.routes.common import answer, upstream
from quarterdeck.gateway.routes.json_body import StrictRoute
from quarterdeck.gateway.schemas import access as schemas
from quarterdeck.v1 import authorization_pb2

router = APIRouter(prefix=f"{API_PREFIX}/auth", tags=["access"], route_class=StrictRoute)


@router.get("/whoami", operation_id="whoAmI", response_model=schemas.WhoAmI)
async def who_am_i() -> Response:
    """Shows whose the token of this request is."""
    return answer(told_of(current_principal()))


@router.get("/providers", operation_id="listIdentityProviders", response_model=schemas.Providers)
async def providers(request: Request) -> Response:
    """Shows where people may sign in; nobody has to be known for that."""
    settings: GatewaySettings = request.app.state.settings
    return answer({"items": [_shown(provider) for provider in settings.identity_providers]})


def _shown(provider: Provider) -> dict[str, Any]:
    scopes = list(provider.scopes)
    return {"name": provider.name, "issuer": provider.issuer, "clientId": provider.client, "scopes": scopes}


@router.get("/suspensions", operation_id="listSuspensions", response_model=schemas.Suspensions)
async def list_suspensions(request: Request) -> Response:
    """Lists who is let in no more."""
    message = authorization_pb2.ListSuspensionsRequest()
    found = await upstream(request).call("AccessService/ListSuspensions", message)
    return answer({"items": [_suspension(one) for one in found.items]})


@router.post("/suspensions", operation_id="suspendPrincipal", response_model=schemas.Suspension)
async def suspend(request: Request, body: schemas.Suspend) -> Response:
    """Lets a principal in no more, whatever it comes with; its runs stand still at their next step."""
    message = authorization_pb2.SuspendPrincipalRequest(principal=body.principal, reason=body.reason)
    return answer(_suspension(await upstream(request).call("AccessService/SuspendPrincipal", message)))


@router.delete("/suspensions/{principal}", operation_id="restorePrincipal", response_model=schemas.Suspension)
async def restore(request: Request, principal: str) -> Response:
    """Lets a principal in again; the runs that stood still for it go on."""
    message = authorization_pb2.RestorePrincipalRequest(principal=principal)
    return answer(_suspension(await upstream(request).call("AccessService/RestorePrincipal", message)))


def _suspension(one: authorization_pb2.Suspension) -> dict[str, Any]:
    return {"principal": one.principal, "reason": one.reason, "by": one.by, "since": one.since}


@router.post("/check", operation_id="checkAccess", response_model=schemas.AccessAnswer)
async def check(request: Request, body: schemas.CheckAccess) -> Response:
    """Says whether somebody may do something, and by which role; it does not say whether it exists."""
    asking, platform = current_principal(), request.app.state.platforms[0]
    question = Question(body.verb, body.resource, body.tenant, body.name)
    about = Principal(body.principal, tuple(body.groups)) if body.principal else None
    return answer(await checked(platform.authorizer, asking, question, about))
