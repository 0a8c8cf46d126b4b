"""/health, /health/<part> and /metrics: of this service, and of all that share its process."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from quarterdeck.common.management import health, metrics
from quarterdeck.common.service import Platform
from quarterdeck.gateway.routes.common import answer

router = APIRouter(tags=["health"])
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BY_GRAVITY = ("ok", "degraded", "failing")


@router.get("/health", operation_id="getHealth")
async def all_parts(request: Request) -> Response:
    """Whether every part answers; 503 if one does not."""
    status, body = await report(request.app.state.platforms, "")
    return answer(body, status)


@router.get("/health/{part}", operation_id="getHealthOfPart")
async def one_part(request: Request, part: str) -> Response:
    """Whether one part answers: `db`, `redis`, `bus`."""
    status, body = await report(request.app.state.platforms, part)
    return answer(body, status)


@router.get(
    "/metrics",
    operation_id="getMetrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def all_metrics(request: Request) -> Response:
    """Metrics in the text format of Prometheus. Needs a token unless the gateway listens on loopback."""
    return Response(metrics(request.app.state.platforms), headers={"Content-Type": _METRICS_TYPE})


async def report(platforms: list[Platform], part: str) -> tuple[int, dict[str, Any]]:
    """Returns (status, body): {"status", "service", "checks"}, and "services" if there are several."""
    found = [(platform.name, *await health(platform, part)) for platform in platforms]
    known = [item for item in found if item[1] != 404]
    if not known:
        return 404, found[0][2]
    own_body = known[0][2]
    status = max(item[1] for item in known)
    if len(platforms) == 1:
        return status, own_body
    services = {name: body for name, _, body in known}
    worst = max((body["status"] for body in services.values()), key=_BY_GRAVITY.index)
    return status, {**own_body, "status": worst, "services": services}
