"""Signing in in a browser: there, back, and out again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from quarterdeck.common.errors import InvalidArgument, NotFound, PermissionDenied
from quarterdeck.gateway.constants import BEGUN_SECONDS, SIGN_IN_PATH, SIGN_OUT_PATH, SIGNED_IN_PATH
from quarterdeck.gateway.sessions.cookies import BEGUN, SESSION, is_from_here, read, written
from quarterdeck.gateway.sessions.place import public_origin, redirect_address
from quarterdeck.gateway.sessions.sessions import Sessions

if TYPE_CHECKING:
    from quarterdeck.gateway.sessions.signing_in import SigningIn

router = APIRouter(tags=["access"])
Text = Annotated[str, Query(max_length=4096)]


@router.get(SIGN_IN_PATH, operation_id="signIn", status_code=302)
async def sign_in(request: Request, provider: Text = "", back: Text = "/console/") -> Response:
    """Sends a browser to an identity provider."""
    origin = _origin(request)
    address, taken = await _ways(request).begin(provider, back, redirect_address(origin))
    response = RedirectResponse(address, 302)
    _set(response, origin, BEGUN, taken, BEGUN_SECONDS)
    return response


@router.get(SIGNED_IN_PATH, operation_id="finishSignIn", status_code=303)
async def signed_in(request: Request, code: Text = "", state: Text = "", error: Text = "") -> Response:
    """Takes a browser back from the identity provider, and knows it from then on."""
    if error or not code:
        raise InvalidArgument("the identity provider did not sign you in", hint="sign in again")
    origin = _origin(request)
    taken = _cookie(request, origin, BEGUN)
    principal, back = await _ways(request).finish(taken, state, code, redirect_address(origin))
    sessions: Sessions = request.app.state.sessions
    response = RedirectResponse(back, 303)
    _set(response, origin, SESSION, await sessions.open(principal), int(sessions.lasts))
    _set(response, origin, BEGUN, "", 0)
    return response


@router.post(SIGN_OUT_PATH, operation_id="signOut", status_code=204)
async def sign_out(request: Request) -> Response:
    """Ends the session of a browser."""
    origin = _origin(request)
    token = _cookie(request, origin, SESSION)
    if token and not is_from_here("POST", dict(request.scope["headers"]), origin):
        raise PermissionDenied("another site asked for this", reason="CrossSite")
    sessions: Sessions = request.app.state.sessions
    await sessions.end(token)
    response = Response(status_code=204)
    _set(response, origin, SESSION, "", 0)
    return response


def _ways(request: Request) -> SigningIn:
    ways: SigningIn | None = request.app.state.signing_in
    if ways is None:
        raise NotFound("there is no identity provider", hint="see QD_GATEWAY_IDENTITY_PROVIDERS")
    return ways


def _origin(request: Request) -> str:
    return public_origin(request.app.state.settings, request.headers.get("host", ""))


def _cookie(request: Request, origin: str, name: str) -> str:
    return read(request.headers.get("cookie", ""), name, is_https=origin.startswith("https:"))


def _set(response: Response, origin: str, name: str, value: str, seconds: int) -> None:
    text = written(name, value, seconds, is_https=origin.startswith("https:"))
    response.headers.append("set-cookie", text)
    response.headers["cache-control"] = "no-store"
