"""Who one is, what one may do, and why."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from quarterdeck.common.authorization.rules import Question
from quarterdeck.common.identity import Principal
from quarterdeck.gateway.access.explaining import answer_of, needed_to_ask_about_others, told_of
from quarterdeck.gateway.authentication import current_principal
from quarterdeck.gateway.config import GatewaySettings
from quarterdeck.gateway.constants import API_PREFIX
from quarterdeck.gateway.oidc.providers import Provider
from quarterdeck.gateway.routes.common import answer
from quarterdeck.gateway.routes.json_body import StrictRoute
from quarterdeck.gateway.schemas import access as schemas

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


@router.post("/check", operation_id="checkAccess", response_model=schemas.AccessAnswer)
async def check(request: Request, body: schemas.CheckAccess) -> Response:
    """Says whether somebody may do something, and by which role; it does not say whether it exists."""
    asking, platform = current_principal(), request.app.state.platforms[0]
    question = Question(body.verb, body.resource, body.tenant, body.name)
    about = asking
    if body.principal and body.principal != asking.subject:
        await platform.authorizer.authorize(asking, *needed_to_ask_about_others(question))
        about = Principal(body.principal, tuple(body.groups))
    return answer(answer_of(about, question, await platform.authorizer.verdict(about, question)))
