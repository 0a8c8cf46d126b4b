"""Runs: start, look, follow."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from quarterdeck.gateway.constants import LARGEST_SEQUENCE, TENANT_PREFIX
from quarterdeck.gateway.routes.common import (
    Continue,
    LabelSelector,
    Limit,
    OrderBy,
    Tenant,
    answer,
    idempotency_key,
    last_sequence,
    raw,
    upstream,
    wants_stream,
)
from quarterdeck.gateway.routes.json_body import StrictRoute
from quarterdeck.gateway.schemas import runs as schemas
from quarterdeck.gateway.streams import event_stream
from quarterdeck.gateway.translate import runs as translate
from quarterdeck.gateway.translate.values import number, words
from quarterdeck.v1 import runs_pb2

router = APIRouter(prefix=f"{TENANT_PREFIX}/runs", tags=["runs"], route_class=StrictRoute)

AfterSeq = Annotated[
    int, Query(alias="afterSeq", ge=0, le=LARGEST_SEQUENCE, description="Only events after this one.")
]
Until = Annotated[Literal["waiting", "end"], Query(description="Where a stream ends.")]


@router.post("", operation_id="startRun", status_code=201, response_model=schemas.Run)
async def start_run(request: Request, tenant: Tenant, body: schemas.StartRun) -> Response:
    """Accepts a run. When this answers, the run is durable."""
    message = translate.start_request(body)
    message.tenant = tenant
    message.idempotency_key = idempotency_key(request)
    run = await upstream(request).call("RuntimeService/StartRun", message)
    return answer(translate.run(run), 201, {"Location": f"{request.url.path}/{run.id}"})


@router.get("", operation_id="listRuns", response_model=schemas.RunPage)
async def list_runs(
    request: Request,
    *,
    tenant: Tenant,
    kind: str = "",
    name: str = "",
    state: Annotated[list[str], Query(description="Repeat it, or separate by commas.")] = [],  # noqa: B006
    label_selector: LabelSelector = "",
    session: str = "",
    key: str = "",
    parent: str = "",
    roots: Annotated[bool, Query(description="Only runs that a client or a trigger started.")] = False,
    limit: Limit = 100,
    continue_: Continue = "",
    order_by: OrderBy = "",
) -> Response:
    """Lists runs, the newest first."""
    message = runs_pb2.ListRunsRequest(
        tenant=tenant,
        kind=kind,
        name=name,
        states=[number(runs_pb2.RunState, text, "RUN_STATE_", "state") for text in words(state)],
        label_selector=label_selector,
        session=session,
        key=key,
        parent_run_id=parent,
        roots_only=roots,
        page_size=limit,
        page_token=continue_,
        order_by=order_by,
    )
    return answer(translate.run_list(await upstream(request).call("RuntimeService/ListRuns", message)))


@router.get("/{id}", operation_id="getRun", response_model=schemas.Run)
async def get_run(request: Request, tenant: Tenant, id: str) -> Response:
    """Reads a run."""
    message = runs_pb2.GetRunRequest(tenant=tenant, run_id=id)
    return answer(translate.run(await upstream(request).call("RuntimeService/GetRun", message)))


@router.get(
    "/{id}/events",
    operation_id="listRunEvents",
    response_model=schemas.RunEventPage,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def run_events(
    request: Request,
    *,
    tenant: Tenant,
    id: str,
    after_seq: AfterSeq = 0,
    limit: Limit = 100,
    until: Until = "end",
) -> Response:
    """One page of the journal; or all of it and then live, when `Accept` is text/event-stream.

    A stream resumes by `Last-Event-ID`: nothing is missed, nothing is seen twice. Events
    without an id (`model.delta`, `tool.progress`) are live only.
    """
    if wants_stream(request):
        return await event_stream(request, _follow(request, tenant, id, after_seq, until == "waiting"))
    message = runs_pb2.ListRunEventsRequest(tenant=tenant, run_id=id, after_seq=after_seq, page_size=limit)
    return raw(translate.event_list(await upstream(request).call("RuntimeService/ListRunEvents", message)))


async def _follow(
    request: Request, tenant: str, run_id: str, after_seq: int, until_waiting: bool
) -> AsyncIterator[bytes]:
    message = runs_pb2.StreamRunEventsRequest(
        tenant=tenant,
        run_id=run_id,
        after_seq=last_sequence(request, after_seq),
        until_waiting=until_waiting,
    )
    async for event in upstream(request).stream("RuntimeService/StreamRunEvents", message):
        yield translate.event_frame(event)


@router.get("/{id}/effects", operation_id="listRunEffects", response_model=schemas.EffectPage)
async def run_effects(
    request: Request,
    tenant: Tenant,
    id: str,
    children: Annotated[bool, Query(description="Include the effects of child runs.")] = False,
) -> Response:
    """What the run did outside, and what is not known."""
    message = runs_pb2.ListEffectsRequest(tenant=tenant, run_id=id, include_children=children)
    found = await upstream(request).call("RuntimeService/ListEffects", message)
    return answer({"items": [translate.effect(item) for item in found.effects], "continue": None})
