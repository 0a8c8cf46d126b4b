"""AG-UI: a run's events in the protocol, and a chat turn with an agent."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from opentelemetry.trace import get_current_span
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from quarterdeck.common import codec
from quarterdeck.common.clock import parse_rfc3339
from quarterdeck.common.errors import InvalidArgument
from quarterdeck.gateway.constants import TENANT_PREFIX
from quarterdeck.gateway.problems import invalid_request
from quarterdeck.gateway.routes.common import Tenant, last_event_id, upstream
from quarterdeck.gateway.streams import event_stream
from quarterdeck.gateway.translate import chat as translate
from quarterdeck.v1 import approvals_pb2, runs_pb2

if TYPE_CHECKING:
    from ag_ui.core import RunAgentInput

    from quarterdeck.gateway.agui.mapper import Mapper
    from quarterdeck.gateway.agui.position import Position

router = APIRouter(prefix=TENANT_PREFIX, tags=["ag-ui"])

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "AG-UI events. A client that comes back sends `Last-Event-ID`.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}
_INPUT = {
    "requestBody": {
        "required": True,
        "description": "RunAgentInput of AG-UI. `threadId` is the session; the last user message is the "
        "turn; `forwardedProps.input` replaces the agent's input; `resume` answers approvals.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["threadId", "runId", "messages"],
                    "properties": {
                        "threadId": {"type": "string"},
                        "runId": {"type": "string"},
                        "messages": {"type": "array", "items": {"type": "object"}},
                        "resume": {"type": "array", "items": {"type": "object"}},
                        "forwardedProps": {"type": "object"},
                    },
                },
                "example": {
                    "threadId": "books-1",
                    "runId": "turn-1",
                    "messages": [{"id": "m1", "role": "user", "content": "Which invoices are open?"}],
                },
            }
        },
    }
}


@dataclass(frozen=True, slots=True)
class _Turn:
    """Where a turn's events come from: the run, and the position after which they are new."""

    run_id: str
    since: Position
    continues: bool = False


@router.get("/runs/{id}/ag-ui", operation_id="streamRunAsAgUi", responses=_STREAM, response_model=None)
async def run_events(request: Request, tenant: Tenant, id: str) -> Response:
    """A run's events in AG-UI, from the beginning or after `Last-Event-ID`, until the run ends."""
    agui = await _protocol()
    since = agui.Position.parse(last_event_id(request))
    mapper = agui.Mapper(run_id=id, thread_id="", since=since)
    return await event_stream(request, _mapped(request, tenant, id, mapper))


@router.post(
    "/agents/{name}/ag-ui",
    operation_id="chatWithAgent",
    responses=_STREAM,
    response_model=None,
    openapi_extra=_INPUT,
)
async def chat(request: Request, tenant: Tenant, name: str) -> Response:
    """One chat turn: a run of the agent whose session is the thread.

    The same `threadId` and `runId` again is the same run: a client that lost its stream sends
    the request once more, with `Last-Event-ID`. A turn that waits for a person ends with the
    outcome `interrupt`; `resume` in the next request decides the approvals and goes on.
    """
    agui = await _protocol()
    wish = _parse(await request.body())
    get_current_span().set_attributes(
        {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": name,
            "gen_ai.conversation.id": wish.thread_id,
        }
    )
    turn = await (_resume(request, tenant, wish) if wish.resume else _start(request, tenant, name, wish))
    mapper = agui.Mapper(run_id=wish.run_id, thread_id=wish.thread_id, since=turn.since)
    return await event_stream(request, _one_turn(request, tenant, turn, mapper))


async def _protocol() -> ModuleType:
    """Returns the module of the mapping; its first import takes longer than the event loop may wait."""
    return await asyncio.to_thread(importlib.import_module, "quarterdeck.gateway.agui.mapper")


def _parse(body: bytes) -> RunAgentInput:
    from ag_ui.core import RunAgentInput

    try:
        return RunAgentInput.model_validate_json(body)
    except ValidationError as error:
        found = [{**item, "loc": ("body", *item["loc"])} for item in error.errors()]
        if found[0]["type"] == "json_invalid":
            raise InvalidArgument(
                f"the body is not valid JSON: {found[0]['msg']}", reason="InvalidJson"
            ) from None
        raise invalid_request(found) from None


async def _start(request: Request, tenant: str, name: str, wish: RunAgentInput) -> _Turn:
    from quarterdeck.gateway.agui.position import Position

    message = runs_pb2.StartRunRequest(
        tenant=tenant,
        kind="Agent",
        name=name,
        input_json=codec.dumps(translate.agent_input(wish)),
        session=wish.thread_id,
        idempotency_key=codec.digest(["ag-ui", name, wish.thread_id, wish.run_id]),
    )
    run = await upstream(request).call("RuntimeService/StartRun", message)
    return _Turn(run.id, Position.parse(last_event_id(request)))


async def _resume(request: Request, tenant: str, wish: RunAgentInput) -> _Turn:
    """Decides what the last turn asked; the run goes on from where it was before that."""
    from quarterdeck.gateway.agui.position import Position

    services, decisions = upstream(request), translate.decisions(tenant, wish)
    approval = await services.call(
        "ApprovalService/GetApproval", approvals_pb2.GetApprovalRequest(tenant=tenant, id=decisions[0].id)
    )
    run_id = approval.root_run_id or approval.run_id
    run = await services.call("RuntimeService/GetRun", runs_pb2.GetRunRequest(tenant=tenant, run_id=run_id))
    for decision in decisions:
        await services.call("ApprovalService/DecideApproval", decision)
    return _Turn(run_id, Position.after(run.last_seq), continues=True)


async def _one_turn(request: Request, tenant: str, turn: _Turn, mapper: Mapper) -> AsyncIterator[bytes]:
    """Streams until the run ends or waits; the latter is an interrupt of the protocol."""
    if turn.continues:
        yield _joined(mapper.continued())
    async for data in _mapped(request, tenant, turn.run_id, mapper, until_waiting=True):
        yield data
    if not mapper.finished:
        message = approvals_pb2.ListApprovalsRequest(
            tenant=tenant, run_id=turn.run_id, states=[approvals_pb2.APPROVAL_STATE_OPEN]
        )
        found = await upstream(request).call("ApprovalService/ListApprovals", message)
        yield _joined(mapper.interrupted(translate.interrupts(found.approvals)))


async def _mapped(
    request: Request, tenant: str, run_id: str, mapper: Mapper, until_waiting: bool = False
) -> AsyncIterator[bytes]:
    """Streams a run through a mapper; it sees the journal from the start, to know what is open."""
    message = runs_pb2.StreamRunEventsRequest(tenant=tenant, run_id=run_id, until_waiting=until_waiting)
    async for event in upstream(request).stream("RuntimeService/StreamRunEvents", message):
        at = int(parse_rfc3339(event.at) * 1000) if event.at else None
        data = _joined(mapper.feed(event.seq, event.type, codec.loads(event.data_json or b"{}"), at))
        if data:
            yield data


def _joined(outputs: Iterator[str]) -> bytes:
    return "".join(outputs).encode()
