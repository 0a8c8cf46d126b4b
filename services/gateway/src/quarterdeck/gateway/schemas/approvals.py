"""Questions to people."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from quarterdeck.gateway.schemas.base import Answer, Page, Request, example
from quarterdeck.gateway.schemas.runs import Run

APPROVAL_STATES = ("open", "approved", "rejected", "expired", "withdrawn")


class Decide(Request):
    """A decision. It binds to the data whose hash was shown."""

    model_config = example({"approve": True, "comment": "checked against the bank", "dataHash": "9f2c…"})

    approve: bool
    comment: str = ""
    answer: Any = Field(
        default=None, description="Replaces the data of an editable approval; a question's answer."
    )
    data_hash: str = ""


class Approval(Answer):
    """Something that waits for a person, or waited."""

    id: str
    tenant: str
    run_id: str
    root_run_id: str | None
    node: str | None
    source: str | None = Field(description="node, tool, question or effect.")
    title: str
    summary: str | None
    data: Any = Field(description="What will be done if approved.")
    data_hash: str | None
    policy: str | None
    state: str = Field(description=f"One of: {', '.join(APPROVAL_STATES)}.")
    decided_by: str | None
    decided_at: str | None
    comment: str | None
    answer: Any
    created_at: str | None
    expires_at: str | None
    editable: bool


class ApprovalPage(Page[Approval]):
    """A page of approvals."""


class Decided(Answer):
    """The approval as it is now, and its run."""

    approval: Approval
    run: Run | None
