"""A tool server in a few lines: a list of tools, served over stdio with the official SDK.

The SDK is imported inside the functions: tests that call the tools directly do without it.
"""

from __future__ import annotations

import inspect
import json
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server
    from mcp_types import CallToolResult
    from mcp_types import Tool as ToolSpec

Arguments = Mapping[str, Any]
Result = dict[str, Any]


class ToolError(Exception):
    """The call cannot be done; the message says what was wrong and what to do. The caller sees it."""


@dataclass(frozen=True)
class Tool:
    """One tool. ``properties`` are JSON Schemas by argument; ``call`` gives an object or raises ToolError."""

    name: str
    description: str
    call: Callable[[Arguments], Result | Awaitable[Result]]
    properties: Mapping[str, Any] = field(default_factory=dict)
    required: Sequence[str] = ()
    read_only: bool = False

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the arguments."""
        return {
            "type": "object",
            "properties": dict(self.properties),
            "required": list(self.required),
            "additionalProperties": False,
        }


_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


def check_arguments(tool: Tool, arguments: Arguments) -> None:
    """Raises ToolError that names the first argument that is missing, unknown or of a wrong type.

    The caller has the whole schema to check against; this guards the tool against one that does not.
    """
    for name in tool.required:
        if arguments.get(name) is None:
            raise ToolError(f"{tool.name}: the argument '{name}' is missing")
    for name in arguments:
        if name not in tool.properties:
            raise ToolError(
                f"{tool.name}: there is no argument '{name}'; it takes {', '.join(tool.properties)}"
            )
        _check_value(f"{tool.name}: '{name}'", tool.properties[name], arguments[name])


def _check_value(where: str, schema: Mapping[str, Any], value: Any) -> None:
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    fits = isinstance(value, tuple(kind for name in kinds for kind in _TYPES[name]))
    if not fits or (isinstance(value, bool) and "boolean" not in kinds):
        raise ToolError(f"{where} must be {' or '.join(kinds)}, not {type(value).__name__}")
    if "enum" in schema and value not in schema["enum"]:
        raise ToolError(f"{where} must be one of {', '.join(schema['enum'])}")
    for item in value if "items" in schema else ():
        _check_value(f"an item of {where}", schema["items"], item)


async def call_tool(tools: Mapping[str, Tool], name: str, arguments: Arguments) -> Result:
    """Calls one tool by name; raises ToolError: an unknown tool, wrong arguments, a refusal or a bad disk."""
    tool = tools.get(name)
    if tool is None:
        raise ToolError(f"there is no tool '{name}'; there are {', '.join(tools)}")
    check_arguments(tool, arguments)
    try:
        result = tool.call(arguments)
        return await result if inspect.isawaitable(result) else result
    except sqlite3.Error as problem:
        raise ToolError(f"{tool.name}: the database failed, nothing was changed: {problem}") from problem


def serve(name: str, version: str, tools: Sequence[Tool]) -> None:
    """Serves the tools over stdin and stdout until stdin closes."""
    import anyio

    anyio.run(_run, name, version, {tool.name: tool for tool in tools})


async def _run(name: str, version: str, tools: Mapping[str, Tool]) -> None:
    from mcp.server.stdio import stdio_server

    server = _server(name, version, tools)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


def _server(name: str, version: str, tools: Mapping[str, Tool]) -> Server[Any]:
    import mcp_types as types
    from mcp.server.lowlevel import Server

    specs = [_spec(tool) for tool in tools.values()]

    async def on_list_tools(_context: Any, _params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=specs)

    async def on_call_tool(_context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        try:
            return _answer(await call_tool(tools, params.name, params.arguments or {}))
        except ToolError as problem:
            return types.CallToolResult(content=[types.TextContent(text=str(problem))], is_error=True)

    return Server(name, version=version, on_list_tools=on_list_tools, on_call_tool=on_call_tool)


def _spec(tool: Tool) -> ToolSpec:
    import mcp_types as types

    return types.Tool(
        name=tool.name,
        description=tool.description,
        input_schema=tool.schema,
        annotations=types.ToolAnnotations(read_only_hint=tool.read_only),
    )


def _answer(result: Result) -> CallToolResult:
    import mcp_types as types

    text = json.dumps(result, ensure_ascii=False)
    return types.CallToolResult(content=[types.TextContent(text=text)], structured_content=result)
