"""Importing the MCP SDK when the first session starts, without holding the event loop while it loads."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any


async def load() -> None:
    """Imports the SDK in a thread; at once when it is there."""
    if not answer_type.cache_info().currsize:
        await asyncio.to_thread(answer_type)


@cache
def answer_type() -> Any:
    """Returns the adapter for a tool's answer, ready for use."""
    import jsonschema
    from mcp_types import CallToolResult, InputRequiredResult
    from pydantic import TypeAdapter

    from quarterdeck.mcp import dispatcher

    assert dispatcher
    assert jsonschema
    adapter: TypeAdapter[Any] = TypeAdapter(CallToolResult | InputRequiredResult)
    adapter.validate_python({"content": []})
    return adapter
