"""Triggers by hand, their state, and events for those that listen."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body
from starlette.requests import Request
from starlette.responses import Response

from quarterdeck.gateway.constants import TENANT_PREFIX
from quarterdeck.gateway.routes.common import Tenant, answer, call_id, upstream
from quarterdeck.gateway.routes.json_body import StrictRoute
from quarterdeck.gateway.schemas import runs as schemas
from quarterdeck.gateway.translate import runs as translate
from quarterdeck.gateway.translate.values import encoded
from quarterdeck.v1 import runs_pb2

router = APIRouter(prefix=TENANT_PREFIX, tags=["triggers"], route_class=StrictRoute)


@router.post("/triggers/{name}/fire", operation_id="fireTrigger", response_model=schemas.Fired)
async def fire(
    request: Request,
    tenant: Tenant,
    name: str,
    body: Annotated[schemas.FireTrigger, Body(default_factory=schemas.FireTrigger)],
) -> Response:
    """Fires a trigger now, or for every scheduled time of an interval."""
    message = runs_pb2.FireTriggerRequest(
        tenant=tenant,
        name=name,
        payload_json=encoded(body.payload),
        fire_id=body.fire_id or call_id(request, tenant, name),
        backfill_from=body.backfill_from,
        backfill_to=body.backfill_to,
    )
    return answer(translate.fired(await upstream(request).call("RuntimeService/FireTrigger", message)))


@router.get("/triggers/{name}/state", operation_id="getTriggerState", response_model=schemas.TriggerState)
async def state(request: Request, tenant: Tenant, name: str) -> Response:
    """When it is due next, and what it did last."""
    message = runs_pb2.GetTriggerStateRequest(tenant=tenant, name=name)
    found = await upstream(request).call("RuntimeService/GetTriggerState", message)
    return answer(translate.trigger_state(found))


@router.post("/events", operation_id="publishEvent", status_code=202, response_model=schemas.Published)
async def publish(request: Request, tenant: Tenant, body: schemas.CloudEvent) -> Response:
    """Puts a CloudEvent on the bus, for the triggers that listen to its type."""
    message = runs_pb2.PublishEventRequest(
        tenant=tenant, type=body.type, data_json=encoded(body.data), event_id=body.id, source=body.source
    )
    published = await upstream(request).call("RuntimeService/PublishEvent", message)
    return answer({"matched": published.matched}, 202)
