"""Approvals: what waits for a person."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from quarterdeck.gateway.constants import TENANT_PREFIX
from quarterdeck.gateway.routes.common import Continue, Limit, Tenant, answer, upstream
from quarterdeck.gateway.routes.json_body import StrictRoute
from quarterdeck.gateway.schemas import approvals as schemas
from quarterdeck.gateway.translate import approvals as translate
from quarterdeck.gateway.translate.values import encoded, number, words
from quarterdeck.v1 import approvals_pb2

router = APIRouter(prefix=f"{TENANT_PREFIX}/approvals", tags=["approvals"], route_class=StrictRoute)


@router.get("", operation_id="listApprovals", response_model=schemas.ApprovalPage)
async def list_approvals(
    request: Request,
    *,
    tenant: Tenant,
    state: Annotated[list[str], Query(description="Repeat it, or separate by commas.")] = [],  # noqa: B006
    run: Annotated[str, Query(description="This run and every run below it.")] = "",
    limit: Limit = 100,
    continue_: Continue = "",
) -> Response:
    """Lists approvals."""
    message = approvals_pb2.ListApprovalsRequest(
        tenant=tenant,
        states=[
            number(approvals_pb2.ApprovalState, text, "APPROVAL_STATE_", "state") for text in words(state)
        ],
        run_id=run,
        page_size=limit,
        page_token=continue_,
    )
    found = await upstream(request).call("ApprovalService/ListApprovals", message)
    return answer(translate.approval_list(found))


@router.get("/{id}", operation_id="getApproval", response_model=schemas.Approval)
async def get_approval(request: Request, tenant: Tenant, id: str) -> Response:
    """Reads an approval."""
    message = approvals_pb2.GetApprovalRequest(tenant=tenant, id=id)
    return answer(translate.approval(await upstream(request).call("ApprovalService/GetApproval", message)))


@router.post("/{id}/decision", operation_id="decideApproval", response_model=schemas.Decided)
async def decide(request: Request, tenant: Tenant, id: str, body: schemas.Decide) -> Response:
    """Approves or rejects, once. A second decision is refused with the first one's name."""
    message = approvals_pb2.DecideApprovalRequest(
        tenant=tenant,
        id=id,
        approve=body.approve,
        comment=body.comment,
        answer_json=encoded(body.answer),
        data_hash=body.data_hash,
    )
    decided = await upstream(request).call("ApprovalService/DecideApproval", message)
    return answer(translate.decision(decided))
