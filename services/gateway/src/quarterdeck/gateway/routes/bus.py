"""Dead letters of the bus, of the whole platform or of one tenant."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from quarterdeck.common import codec
from quarterdeck.common.errors import NotFound
from quarterdeck.gateway.constants import API_PREFIX
from quarterdeck.gateway.routes.common import Limit, answer, upstream
from quarterdeck.gateway.routes.json_body import StrictRoute
from quarterdeck.gateway.schemas import bus as schemas
from quarterdeck.v1 import bus_pb2

router = APIRouter(prefix=f"{API_PREFIX}/bus/dead", tags=["bus"], route_class=StrictRoute)
OfTenant = Annotated[str, Query(description="Only those of this tenant; empty: all.")]


@router.get("", operation_id="listDeadLetters", response_model=schemas.DeadLetterPage)
async def list_dead(request: Request, tenant: OfTenant = "", limit: Limit = 100) -> Response:
    """Lists the oldest messages that a queue gave up. They stay where they are."""
    message = bus_pb2.ListDeadLettersRequest(tenant=tenant, limit=limit)
    found = await upstream(request).call("BusService/ListDeadLetters", message)
    return answer({"items": [_letter(item) for item in found.letters], "continue": None})


@router.post("/replay", operation_id="replayDeadLetters", response_model=schemas.Replayed)
async def replay(request: Request, body: schemas.ReplayDeadLetters, tenant: OfTenant = "") -> Response:
    """Returns dead letters to the queues that gave them up. One may arrive twice."""
    message = bus_pb2.ReplayDeadLettersRequest(tenant=tenant, ids=body.ids)
    done = await upstream(request).call("BusService/ReplayDeadLetters", message)
    return answer({"replayed": list(done.replayed)})


@router.get("/{id}", operation_id="getDeadLetter", response_model=schemas.DeadLetter)
async def get_dead(request: Request, id: str, tenant: OfTenant = "") -> Response:
    """Shows one of them."""
    message = bus_pb2.ListDeadLettersRequest(tenant=tenant, id=id)
    found = await upstream(request).call("BusService/ListDeadLetters", message)
    if not found.letters:
        raise NotFound(f"no dead letter {id}", field="id", hint="list them with qd bus dead list")
    return answer(_letter(found.letters[0]))


def _letter(letter: bus_pb2.DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "queue": letter.queue,
        "topic": letter.topic,
        "reason": letter.reason,
        "diedAt": letter.died_at or None,
        "tenantId": letter.tenant_id or None,
        "ours": letter.ours,
        "data": codec.loads(letter.data_json) if letter.ours else None,
        "raw": None if letter.ours else letter.raw.decode(errors="replace"),
    }
