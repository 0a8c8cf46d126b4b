"""Tools: list and call."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from starlette.requests import Request
from starlette.responses import Response

from quarterdeck.common.ids import uuid7
from quarterdeck.gateway.authentication import current_principal
from quarterdeck.gateway.constants import TENANT_PREFIX, TOOL_RUN_KIND
from quarterdeck.gateway.routes.common import Tenant, answer, call_id, upstream
from quarterdeck.gateway.routes.json_body import StrictRoute
from quarterdeck.gateway.schemas import tools as schemas
from quarterdeck.gateway.translate import tools as translate
from quarterdeck.gateway.translate.runs import run as run_json
from quarterdeck.gateway.translate.values import encoded
from quarterdeck.gateway.upstream import Upstream
from quarterdeck.v1 import runs_pb2, tools_pb2

router = APIRouter(prefix=f"{TENANT_PREFIX}/tools", tags=["tools"], route_class=StrictRoute)

# What the manager may need around the tool's own time.
CALL_MARGIN = 10.0
_NEEDS_APPROVAL = tools_pb2.ToolOutcome.STATUS_NEEDS_APPROVAL


@router.get("", operation_id="listTools", response_model=schemas.ToolPage)
async def list_tools(
    request: Request,
    tenant: Tenant,
    server: Annotated[str, Query(description="Empty: every server of the tenant.")] = "",
) -> Response:
    """Lists tools, and the servers that could not be asked."""
    message = tools_pb2.ListToolsRequest(tenant=tenant, server=server)
    return answer(translate.tool_list(await upstream(request).call("ToolService/ListTools", message)))


@router.post(
    "/{server}/{tool}/call",
    operation_id="callTool",
    response_model=schemas.ToolOutcome,
    responses={202: {"model": schemas.CallNeedsApproval}},
)
async def call_tool(
    request: Request,
    tenant: Tenant,
    server: str,
    tool: str,
    body: Annotated[schemas.CallTool, Body(default_factory=schemas.CallTool)],
) -> Response:
    """Calls a tool. A call that needs an approval becomes a run of one step (202).

    With an `Idempotency-Key` a repeat joins the first call, or gets its recorded outcome.
    """
    return await made(upstream(request), request, tenant, server, tool, body)


async def made(
    services: Upstream, request: Request, tenant: str, server: str, tool: str, body: schemas.CallTool
) -> Response:
    """Makes a call and returns the response. Raises QuarterdeckError."""
    message = tools_pb2.CallToolRequest(
        tenant=tenant,
        call_id=call_id(request, tenant, server, tool) or uuid7(),
        server=server,
        tool=tool,
        arguments_json=encoded(body.arguments),
        timeout_seconds=body.timeout_seconds,
        principal=current_principal().subject,
    )
    deadline = body.timeout_seconds + CALL_MARGIN if body.timeout_seconds else None
    outcome = await services.call("ToolService/CallTool", message, deadline)
    if outcome.status == _NEEDS_APPROVAL:
        return answer(await _as_run(services, message, outcome), 202)
    refusal = translate.refusal(outcome)
    if refusal is not None:
        raise refusal
    return answer(translate.outcome(outcome))


async def _as_run(
    services: Upstream, call: tools_pb2.CallToolRequest, outcome: tools_pb2.ToolOutcome
) -> dict[str, Any]:
    """Starts the run of one step that will hold the approval, and repeat the call after it."""
    message = runs_pb2.StartRunRequest(
        tenant=call.tenant,
        kind=TOOL_RUN_KIND,
        name=f"{call.server}/{call.tool}",
        input_json=call.arguments_json,
        idempotency_key=call.call_id,
    )
    run = await services.call("RuntimeService/StartRun", message)
    return {
        "status": "needs-approval",
        "message": outcome.message or None,
        "policy": outcome.policy or None,
        "run": run_json(run),
    }
