"""A run's calls are held to what its agent or workflow declares. Pure."""

from __future__ import annotations

from typing import Any

from quarterdeck.common.errors import PermissionDenied
from quarterdeck.common.proofs.holders import RunClaim

NOT_DECLARED = "NotDeclared"


def require_declared(run: RunClaim, verb: str, resource: str, request: Any) -> None:
    """Raises PermissionDenied for what a run's proof is not good for.

    Args:
        verb: of the RPC, as it is declared.
        resource: likewise.
        request: its message.
    """
    if getattr(request, "run_id", run.run_id) != run.run_id:
        raise PermissionDenied("a run calls in its own name", field="run_id", reason=NOT_DECLARED)
    if resource == "tools/call":
        allowed, what = run.uses.has_tool(request.server, request.tool), f"{request.server}/{request.tool}"
    elif resource.partition("/")[0] == "memories":
        what = str(getattr(request, "collection", ""))
        reading = verb in ("search", "get")
        allowed = run.uses.reads_from(what) if reading else what in run.uses.writes
    else:
        allowed, what = False, resource
    if not allowed:
        raise PermissionDenied(
            f"run {run.run_id} does not declare that it will {verb} {what}",
            hint="name it in the agent or workflow, and start again",
            reason=NOT_DECLARED,
        )
