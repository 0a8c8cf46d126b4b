"""Models: what the routes offer, and one turn outside a run."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import APIRouter
from opentelemetry.trace import get_current_span
from starlette.requests import Request
from starlette.responses import Response

from quarterdeck.common.errors import Internal
from quarterdeck.gateway.constants import TENANT_PREFIX
from quarterdeck.gateway.routes.common import Tenant, answer, raw, upstream, wants_stream
from quarterdeck.gateway.routes.json_body import StrictRoute
from quarterdeck.gateway.schemas import models as schemas
from quarterdeck.gateway.streams import event_stream
from quarterdeck.gateway.translate import models as translate
from quarterdeck.gateway.translate.values import encoded
from quarterdeck.v1 import models_pb2

router = APIRouter(prefix=f"{TENANT_PREFIX}/models", tags=["models"], route_class=StrictRoute)


@router.get("", operation_id="listModels", response_model=schemas.ModelTierPage)
async def list_models(request: Request, tenant: Tenant) -> Response:
    """Lists every tier of every route and the provider it would take now."""
    message = models_pb2.ListModelsRequest(tenant=tenant)
    found = await upstream(request).call("ModelService/ListModels", message)
    return answer({"items": [translate.tier(item) for item in found.tiers], "continue": None})


@router.post(
    "/{route}/generate",
    operation_id="generateModel",
    responses={
        200: {
            "description": "The response; as a stream, `delta` events with text and at last `response`.",
            "content": {
                "application/json": {"schema": {"type": "object"}},
                "text/event-stream": {"schema": {"type": "string"}},
            },
        }
    },
)
async def generate(request: Request, tenant: Tenant, route: str, body: schemas.GenerateModel) -> Response:
    """One model turn through a route. It streams when `Accept` is text/event-stream."""
    wish = body.model_dump(exclude={"tier"}, exclude_none=True, by_alias=False)
    message = models_pb2.GenerateModelRequest(
        tenant=tenant, route=route, tier=body.tier, request_json=encoded(wish)
    )
    get_current_span().set_attributes({"gen_ai.operation.name": "chat", "quarterdeck.model_route": route})
    if wants_stream(request):
        return await event_stream(request, _turn(request, message))
    async for part in upstream(request).stream("ModelService/GenerateModel", message):
        if part.response_json:
            return raw(part.response_json)
    raise Internal("the model's answer ended early", hint="try again")


async def _turn(request: Request, message: models_pb2.GenerateModelRequest) -> AsyncIterator[bytes]:
    async for part in upstream(request).stream("ModelService/GenerateModel", message):
        yield translate.turn_frame(part)
