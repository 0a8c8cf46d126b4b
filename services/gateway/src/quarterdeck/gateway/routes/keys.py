"""API keys of a tenant."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body
from starlette.requests import Request
from starlette.responses import Response

from quarterdeck.common.clock import rfc3339
from quarterdeck.common.errors import InvalidArgument
from quarterdeck.common.identity import Principal
from quarterdeck.gateway.authentication import current_principal
from quarterdeck.gateway.constants import KEY_LIFE, KEY_OVERLAP, TENANT_PREFIX
from quarterdeck.gateway.keys import keeping
from quarterdeck.gateway.keys.keyring import Keyring
from quarterdeck.gateway.keys.store import Key
from quarterdeck.gateway.routes.common import Tenant, answer
from quarterdeck.gateway.routes.json_body import StrictRoute
from quarterdeck.gateway.schemas import keys as schemas

router = APIRouter(prefix=f"{TENANT_PREFIX}/apikeys", tags=["access"], route_class=StrictRoute)
RESOURCE = "apikeys"


@router.get("", operation_id="listApiKeys", response_model=schemas.KeyPage)
async def list_keys(request: Request, tenant: Tenant) -> Response:
    """Lists what is kept of a tenant's keys, those that let in no more included."""
    ring, _ = await _admitted(request, "list", tenant)
    found = await keeping.listed(ring, tenant)
    return answer({"items": [_shown(key, ring.now()) for key in found], "continue": None})


@router.post("", operation_id="createApiKey", response_model=schemas.NewKey, status_code=201)
async def create_key(request: Request, tenant: Tenant, body: schemas.CreateKey) -> Response:
    """Makes a key, and shows it this once."""
    ring, asking = await _admitted(request, "create", tenant, body.name)
    lasts = _seconds(body.expires_in, "expiresIn", KEY_LIFE)
    wish = keeping.Wish(tenant, body.name, body.principal, tuple(body.scopes), lasts)
    key, text = await keeping.create(ring, asking, wish)
    return answer({**_shown(key, ring.now()), "key": text}, 201)


@router.post("/{name}/rotate", operation_id="rotateApiKey", response_model=schemas.NewKey, status_code=201)
async def rotate_key(
    request: Request,
    tenant: Tenant,
    name: str,
    body: Annotated[schemas.RotateKey, Body(default_factory=schemas.RotateKey)],
) -> Response:
    """Makes the key that follows, and shows it this once; both let in for a while."""
    ring, asking = await _admitted(request, "update", tenant, name)
    overlap = _seconds(body.overlap, "overlap", KEY_OVERLAP)
    lasts = _seconds(body.expires_in, "expiresIn", KEY_LIFE)
    key, text = await keeping.rotate(ring, asking, tenant, name, overlap, lasts)
    return answer({**_shown(key, ring.now()), "key": text}, 201)


@router.delete("/{name}", operation_id="revokeApiKey", response_model=schemas.KeyPage)
async def revoke_key(request: Request, tenant: Tenant, name: str) -> Response:
    """Ends a key, and those that it replaced, at once."""
    ring, _ = await _admitted(request, "delete", tenant, name)
    found = await keeping.revoke(ring, tenant, name)
    return answer({"items": [_shown(key, ring.now()) for key in found], "continue": None})


async def _admitted(request: Request, verb: str, tenant: str, name: str = "") -> tuple[Keyring, Principal]:
    asking, state = current_principal(), request.app.state
    await state.platforms[0].authorizer.authorize(asking, verb, RESOURCE, tenant, name)
    return state.keyring, asking


def _seconds(text: str, field: str, otherwise: float) -> float:
    from quarterdeck.resources.durations import duration_seconds

    try:
        return duration_seconds(text) if text else otherwise
    except ValueError as error:
        raise InvalidArgument(f"{text!r} is no duration", field=field, hint='write "90d", "12h"') from error


def _shown(key: Key, now: float) -> dict[str, Any]:
    state = "revoked" if key.revoked_at else "live" if key.is_live(now) else "expired"
    return {
        "id": key.id,
        "name": key.name,
        "tenant": key.tenant,
        "principal": key.principal,
        "scopes": list(key.scopes),
        "state": state,
        "createdAt": rfc3339(key.created_at),
        "createdBy": key.created_by,
        "expiresAt": rfc3339(key.expires_at),
        "revokedAt": rfc3339(key.revoked_at) if key.revoked_at else None,
        "lastUsedAt": rfc3339(key.last_used_at) if key.last_used_at else None,
    }
