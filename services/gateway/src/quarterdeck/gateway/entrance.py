"""What a visitor finds at the door: where things are. And the probes of an orchestrator."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from quarterdeck.gateway.constants import API_PREFIX, CLUSTER_KINDS, TENANT_KINDS, TENANT_PREFIX
from quarterdeck.gateway.health import report
from quarterdeck.gateway.routes.common import answer

router = APIRouter(tags=["health"])

# What a tenant has besides declared objects.
_BELOW_TENANT = ("runs", "approvals", "tools", "memories", "artifacts", "models", "events")


@router.get("/", include_in_schema=False)
async def door() -> Response:
    """What this is, and where to go on."""
    return answer(_door())


@router.get(API_PREFIX, include_in_schema=False)
@router.get(f"{API_PREFIX}/", include_in_schema=False)
async def api() -> Response:
    """The paths of the API, as templates."""
    return answer(_api())


@router.get("/livez", operation_id="getLiveness")
async def alive() -> Response:
    """Whether this process answers at all; it asks nobody else."""
    return answer({"status": "ok"})


@router.get("/readyz", operation_id="getReadiness")
async def ready(request: Request) -> Response:
    """Whether requests can be served: the same as `/health`; 503 if a part does not answer."""
    status, body = await report(request.app.state.platforms, "")
    return answer(body, status)


@cache
def _door() -> dict[str, Any]:
    return {
        "name": "Quarterdeck",
        "version": version("quarterdeck-gateway"),
        "api": API_PREFIX,
        "documentation": "/docs",
        "openapi": "/openapi.json",
        "console": "/console/",
        "health": "/health",
        "authentication": "send Authorization: Bearer <token>",
    }


@cache
def _api() -> dict[str, Any]:
    return {
        "version": API_PREFIX.rpartition("/")[2],
        "documentation": "/docs",
        "paths": [
            *(f"{API_PREFIX}/{plural}" for plural in CLUSTER_KINDS),
            *(f"{TENANT_PREFIX}/{name}" for name in (*TENANT_KINDS, *_BELOW_TENANT)),
        ],
    }
