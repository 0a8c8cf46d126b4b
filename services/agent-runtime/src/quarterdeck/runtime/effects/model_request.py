"""An agent's transcript as a request to a model. Pure, but for the artifacts it is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from quarterdeck.resources.templates import names_used
from quarterdeck.runtime.definition import AgentDefinition
from quarterdeck.runtime.planner.agent_tools import PinnedTool
from quarterdeck.runtime.state import RunState

if TYPE_CHECKING:
    from quarterdeck.llm.types import ModelRequest

DEFAULT_MAX_TOKENS = 4096


def build_request(
    definition: AgentDefinition,
    state: RunState,
    *,
    value: Any,
    messages: list[dict[str, Any]],
    tools: list[PinnedTool],
) -> ModelRequest:
    """Returns the request of the next turn.

    Args:
        value: the run's input, with artifacts resolved; likewise `messages` and `tools`.
    """
    from quarterdeck.llm.types import Message, ModelRequest, RequestMetadata, ToolSpec

    model: Mapping[str, Any] = definition.spec.get("model") or {}
    assert state.agent is not None
    return ModelRequest(
        messages=tuple(Message.from_json(message) for message in messages),
        system=instructions(definition, state, value),
        tools=tuple(ToolSpec(tool.name, tool.description, tool.schema) for tool in tools),
        max_tokens=int(model.get("maxTokens") or DEFAULT_MAX_TOKENS),
        temperature=model.get("temperature"),
        output_schema=definition.output_schema,
        metadata=RequestMetadata(
            agent=definition.name,
            tenant=state.tenant,
            run_id=state.run_id,
            input=value,
            turn=state.agent.turn + 1,
        ),
    )


def instructions(definition: AgentDefinition, state: RunState, value: Any) -> str:
    """Returns the rendered system text. Raises ExpressionError."""
    if definition.instructions.constant:
        return str(definition.instructions.value)
    bindings: dict[str, Any] = {"input": value}
    if "run" in names_used(definition.instructions).roots:
        bindings["run"] = {
            "id": state.run_id,
            "name": state.name,
            "tenant": state.tenant,
            "labels": state.labels,
        }
    return str(definition.instructions.render(bindings))
