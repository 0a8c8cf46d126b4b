"""Tools and calls."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from quarterdeck.gateway.schemas.base import Answer, Page, Request, example
from quarterdeck.gateway.schemas.runs import Run


class CallTool(Request):
    """A tool's arguments."""

    model_config = example({"arguments": {"month": "2025-03"}, "timeoutSeconds": 30})

    arguments: dict[str, Any] = Field(default_factory=dict)
    timeout_seconds: float = Field(default=0, ge=0, le=3600, description="0: the tool's own.")


class Tool(Answer):
    """A tool of a server."""

    server: str
    name: str
    description: str | None
    input_schema: Any
    output_schema: Any
    effect: str = Field(description="readOnly, idempotent, write or unspecified.")
    pin: str | None
    on_uncertain: str | None
    check: Any
    timeout_seconds: float | None


class ToolPage(Page[Tool]):
    """The tools of one or all servers."""

    unavailable: list[str] = Field(description='Servers that could not be asked, as "name: reason".')


class Artifact(Answer):
    """A result too large to be inline."""

    digest: str
    size: int


class ToolOutcome(Answer):
    """What became of a call."""

    call_id: str
    status: str = Field(description="ok, tool-error or cancelled.")
    result: Any
    artifact: Artifact | None
    message: str | None
    policy: str | None
    duration_ms: float
    replayed: bool = Field(description="True when this outcome was recorded earlier.")


class CallNeedsApproval(Answer):
    """The call became a run of one step, which waits for an approval."""

    status: str
    message: str | None
    policy: str | None
    run: Run
