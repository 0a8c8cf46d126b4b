"""What an MCPServer's status says: a pure function of how the server is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from quarterdeck.mcp.catalog import pin_of
from quarterdeck.mcp.toolserver import ServerState

# Bounds of the kind's schema.
_MESSAGE_LIMIT, _DESCRIPTION_LIMIT, _TOOLS_LIMIT = 2000, 200, 512


def status_of(state: ServerState, *, of_pods: bool = False) -> dict[str, Any]:
    """Returns the fields and conditions to report. Tools that were seen stay while a server is down.

    Args:
        of_pods: it runs in pods, whose readiness is their controller's to say.
    """
    listed = state.listed is not None
    conditions = [
        _condition("Ready", state.ready, state.reason, state.message),
        _condition("ToolsListed", listed, "Listed" if listed else "NotListed", ""),
        _condition("CrashLoop", state.crash_loop, state.reason if state.crash_loop else "Stable", ""),
    ]
    if of_pods:
        conditions = conditions[1:]
    status: dict[str, Any] = {"conditions": conditions, "restarts": state.crashes}
    if state.listed is not None:
        status["tools"] = _summaries(state.listed)
        status["toolCount"] = len(state.tools)
    return status


def _summaries(listed: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    return [
        {
            "name": str(tool["name"]),
            "description": str(tool.get("description") or "")[:_DESCRIPTION_LIMIT],
            "schemaHash": pin_of(tool),
        }
        for tool in list(listed)[:_TOOLS_LIMIT]
    ]


def _condition(kind: str, holds: bool, reason: str, message: str) -> dict[str, str]:
    return {
        "type": kind,
        "status": "True" if holds else "False",
        "reason": reason,
        "message": message[:_MESSAGE_LIMIT],
    }
