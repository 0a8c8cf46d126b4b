"""The tools that a model sees, pinned when its run starts. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from quarterdeck.runtime.constants import TOOL_ASK_PERSON, TOOL_SAVE_MEMORY, TOOL_SEARCH_MEMORY
from quarterdeck.runtime.planner.planning import Planning

_NOT_NAME = re.compile(r"[^a-zA-Z0-9_-]")
MAX_TOOL_NAME = 64


@dataclass(frozen=True, slots=True)
class PinnedTool:
    """One tool as the model sees it (`name`) and what it stands for.

    `kind` is "tool", "agent", or the name of one of the platform's own tools. `tool` is the
    tool's name on `server`, or the agent's name.
    """

    name: str
    kind: str
    description: str
    schema: Mapping[str, Any]
    server: str = ""
    tool: str = ""
    collections: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Returns it as the journal keeps it."""
        return {**asdict(self), "collections": list(self.collections)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PinnedTool:
        """Reads it back."""
        return cls(**{**data, "collections": tuple(data.get("collections") or ())})


def pinned_tools(planning: Planning) -> list[PinnedTool]:
    """Returns the run's pinned tools. Raises ValuesNeeded while their artifact is not loaded."""
    agent = planning.state.agent
    stored = planning.value(agent.tools) if agent is not None else []
    return [PinnedTool.from_json(item) for item in stored or ()]


def find_tool(tools: Iterable[PinnedTool], name: str) -> PinnedTool | None:
    """Returns the tool that the model means by `name`."""
    return next((tool for tool in tools if tool.name == name), None)


def server_tools(listed: Sequence[tuple[str, str, str, Mapping[str, Any]]]) -> list[PinnedTool]:
    """Names the tools of servers for the model.

    Args:
        listed: (server, tool, description, input schema). A tool keeps its name if no other
            server has one of that name; otherwise the server's name goes in front.
    """
    counts = Counter(tool for _, tool, _, _ in listed)
    return [
        PinnedTool(
            model_name(tool if counts[tool] == 1 else f"{server}__{tool}"),
            "tool",
            description,
            schema,
            server,
            tool,
        )
        for server, tool, description, schema in listed
    ]


def model_name(name: str) -> str:
    """Returns a name that every provider takes: letters, digits, _ and -, at most 64."""
    return _NOT_NAME.sub("_", name)[:MAX_TOOL_NAME]


def platform_tools(spec: Mapping[str, Any]) -> list[PinnedTool]:
    """Returns the tools that the agent's spec brings by itself: memories and asking a person."""
    tools = []
    memories = spec.get("memory") or ()
    readable = tuple(m["collection"] for m in memories)
    writable = tuple(m["collection"] for m in memories if m.get("access") == "readWrite")
    if readable:
        tools.append(_search_tool(readable))
    if writable:
        tools.append(_save_tool(writable))
    if spec.get("askPerson"):
        tools.append(_ask_tool())
    return tools


def _search_tool(collections: tuple[str, ...]) -> PinnedTool:
    schema = _schema(
        {
            "collection": {"type": "string", "enum": list(collections)},
            "query": {"type": "string"},
            "limit": {"type": "integer", "minimum": 1, "maximum": 100},
            "filter": {"type": "object"},
        },
        ["collection", "query"],
    )
    return PinnedTool(
        TOOL_SEARCH_MEMORY, TOOL_SEARCH_MEMORY, "Search what is remembered.", schema, collections=collections
    )


def _save_tool(collections: tuple[str, ...]) -> PinnedTool:
    schema = _schema(
        {
            "collection": {"type": "string", "enum": list(collections)},
            "id": {"type": "string"},
            "text": {"type": "string"},
            "payload": {"type": "object"},
        },
        ["collection", "id", "text"],
    )
    return PinnedTool(
        TOOL_SAVE_MEMORY, TOOL_SAVE_MEMORY, "Remember something.", schema, collections=collections
    )


def _ask_tool() -> PinnedTool:
    schema = _schema({"question": {"type": "string"}, "context": {"type": "string"}}, ["question"])
    return PinnedTool(TOOL_ASK_PERSON, TOOL_ASK_PERSON, "Ask a person and wait for the answer.", schema)


def _schema(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
