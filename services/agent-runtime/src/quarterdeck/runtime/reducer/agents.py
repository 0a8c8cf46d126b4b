"""An agent's tools and transcript."""

from __future__ import annotations

from typing import Any

from quarterdeck.runtime.state import RunState


def tools_pinned(state: RunState, data: dict[str, Any], at: float) -> None:
    """`tools.pinned`: what the model may call, for the whole run."""
    if state.agent is not None:
        state.agent.tools = data["tools"]


def message_appended(state: RunState, data: dict[str, Any], at: float) -> None:
    """`message.appended`: a message, or the results of calls put into one."""
    if state.agent is not None:
        if "results" in data:
            state.agent.messages.append(_tool_results(state, data["results"]))
            state.outputs.clear()
        else:
            state.agent.messages.append(data["message"])
        state.agent.repaired = state.agent.repaired or bool(data.get("repair"))


def _tool_results(state: RunState, use_ids: list[str]) -> dict[str, Any]:
    """Returns the message that answers an agent's calls, in the order of the calls."""
    return {"role": "user", "content": [_tool_result(use_id, state.outputs[use_id]) for use_id in use_ids]}


def _tool_result(use_id: str, output: Any) -> dict[str, Any]:
    failed = isinstance(output, dict) and set(output) == {"$error"}
    content = output["$error"] if failed else output
    return {"type": "toolResult", "toolUseId": use_id, "content": content, "isError": failed}


def context_compacted(state: RunState, data: dict[str, Any], at: float) -> None:
    """`context.compacted`: a shorter transcript takes the place of the whole."""
    if state.agent is not None:
        state.agent.messages = list(data["messages"])
        state.agent.last_input_tokens = 0
