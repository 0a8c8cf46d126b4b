"""The HTTP application: routes, what they share, and the layers around them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from quarterdeck.common.errors import Internal, QuarterdeckError
from quarterdeck.common.service import Platform
from quarterdeck.common.tenants import TenantDirectory
from quarterdeck.gateway import console_page, docs_page, entrance, health
from quarterdeck.gateway.access.roster import Roster
from quarterdeck.gateway.allowed import allowed_methods
from quarterdeck.gateway.authentication import Authenticator
from quarterdeck.gateway.config import GatewaySettings
from quarterdeck.gateway.edges.opening import Rates
from quarterdeck.gateway.keys.keyring import Keyring
from quarterdeck.gateway.middleware.authenticate import Authenticate
from quarterdeck.gateway.middleware.body_limit import BodyLimit
from quarterdeck.gateway.middleware.browsers import Browsers
from quarterdeck.gateway.middleware.direct import DirectCalls, DirectReads
from quarterdeck.gateway.middleware.idempotency import Idempotency
from quarterdeck.gateway.middleware.observe import Observe
from quarterdeck.gateway.middleware.rates import RateLimits
from quarterdeck.gateway.middleware.segments import WholeSegments, unquote_parameters
from quarterdeck.gateway.middleware.turns import Turns
from quarterdeck.gateway.openapi import TITLE
from quarterdeck.gateway.problems import MethodNotAllowed, RouteNotFound, invalid_request, problem_response
from quarterdeck.gateway.routes import ROUTERS
from quarterdeck.gateway.sessions.sessions import Sessions
from quarterdeck.gateway.triggers.routes import DeclaredRoutes
from quarterdeck.gateway.triggers.serve import DeclaredPaths
from quarterdeck.gateway.upstream import Upstream

if TYPE_CHECKING:
    from quarterdeck.gateway.access.suspending import Suspended
    from quarterdeck.gateway.sessions.signing_in import SigningIn

# As they are: to include a router would match every request twice.
ROUTES: list[BaseRoute] = unquote_parameters(
    route
    for router in (*ROUTERS, health.router, entrance.router, docs_page.router, console_page.router)
    for route in router.routes
)


@dataclass(slots=True)
class Parts:
    """What the application is made of."""

    platform: Platform
    others: Sequence[Platform]
    settings: GatewaySettings
    authenticator: Authenticator
    rates: Rates
    upstream: Upstream
    declared: DeclaredRoutes
    roster: Roster | None
    keyring: Keyring
    sessions: Sessions
    signing_in: SigningIn | None
    suspended: Suspended
    closing: asyncio.Event


def make_routes(parts: Parts) -> FastAPI:
    """Returns the routes without the layers around them."""
    app = FastAPI(
        title=TITLE,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        strict_content_type=False,
    )
    app.state.platforms = [parts.platform, *parts.others]
    app.state.settings = parts.settings
    app.state.upstream = parts.upstream
    app.state.keyring = parts.keyring
    app.state.sessions = parts.sessions
    app.state.signing_in = parts.signing_in
    app.state.closing = parts.closing
    app.router.routes.extend(ROUTES)
    secrets = parts.settings.secrets_dir or parts.platform.settings.data_dir.absolute() / "secrets"
    app.router.default = DeclaredPaths(
        parts.declared,
        parts.platform.cache,
        parts.platform.clock,
        parts.settings,
        secrets,
        parts.rates.limits,
        parts.platform.telemetry,
    )
    _add_error_handlers(app)
    return app


def make_app(parts: Parts) -> ASGIApp:
    """Returns the whole application; the outermost layer is the last one here."""
    platform, settings = parts.platform, parts.settings
    app: ASGIApp = DirectCalls(DirectReads(make_routes(parts), parts.upstream), parts.upstream)
    tenants = TenantDirectory(platform.peer("registry"))
    app = Idempotency(app, platform.cache, tenants, settings.idempotency_ttl)
    app = RateLimits(app, parts.rates.limits)
    app = Authenticate(app, parts.authenticator, parts.declared.is_signed, settings, parts.rates)
    app = BodyLimit(app, settings.max_body_bytes, settings.body_seconds)
    app = Browsers(app, settings)
    return WholeSegments(Observe(Turns(app), platform.telemetry, settings.access_log))


def _add_error_handlers(app: FastAPI) -> None:
    @app.exception_handler(QuarterdeckError)
    async def on_error(request: Request, error: QuarterdeckError) -> Response:
        return _problem(request, error)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> Response:
        return _problem(request, invalid_request(error.errors()))

    @app.exception_handler(HTTPException)
    async def on_http_error(request: Request, error: HTTPException) -> Response:
        return _problem(request, _from_http(request, error))

    @app.exception_handler(Exception)
    async def on_our_fault(request: Request, error: Exception) -> Response:
        return _problem(request, Internal("the gateway failed to serve this", hint="see the gateway's log"))


def _problem(request: Request, error: QuarterdeckError) -> Response:
    return problem_response(error, request.url.path, request.scope.get("qd.request_id", ""))


def _from_http(request: Request, error: HTTPException) -> QuarterdeckError:
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return MethodNotAllowed(request.method, allowed_methods(ROUTES, request.scope["path"]))
    if error.status_code == HTTPStatus.NOT_FOUND:
        return RouteNotFound(f"there is no path {request.url.path}", hint="see /docs for what there is")
    return _Other(error)


class _Other(QuarterdeckError):
    """An error that the framework raised, in our form."""

    def __init__(self, error: HTTPException) -> None:
        super().__init__(
            str(error.detail), reason=HTTPStatus(error.status_code).phrase.title().replace(" ", "")
        )
        self.http_status = error.status_code
