"""Moves what is too large for a journal into artifacts, before an event names it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from quarterdeck.common.constants import INLINE_BYTES
from quarterdeck.runtime import events as ev
from quarterdeck.runtime.events import Event

# (value, bytes that may be inline) -> the value, or a reference to the artifact that holds it.
Put = Callable[[Any, int], Awaitable[Any]]

# Fields of events that hold a value of any size.
_LARGE = ("output", "arguments", "result", "message")
# Of a compacted transcript each message has little room: all of them are in one event.
_MESSAGE_BYTES = 1024
# Of a call that waits for an approval.
_HIDDEN_BYTES = 4096


async def lightened(event: Event, put: Put) -> Event:
    """Returns the event with references in the place of what is large."""
    data = event.data
    for name in _LARGE:
        if data.get(name) is not None:
            data = {**data, name: await put(data[name], INLINE_BYTES)}
    if event.type == ev.CONTEXT_COMPACTED:
        data = {**data, "messages": [await put(message, _MESSAGE_BYTES) for message in data["messages"]]}
    elif event.type == ev.STEP_STARTED and "use" in (data.get("params") or {}):
        use = await _with_light_values(data["params"]["use"], put)
        data = {**data, "params": {**data["params"], "use": use}}
    elif event.type == ev.STEP_COMPLETED and "undo" in data:
        params = await _with_light_values(data["undo"]["params"], put)
        data = {**data, "undo": {**data["undo"], "params": params}}
    elif event.type == ev.APPROVAL_REQUESTED and (data.get("params") or {}).get("arguments") is not None:
        params = data["params"]  # mostly what is shown already, in `data`
        data = {**data, "params": {**params, "arguments": await put(params["arguments"], _HIDDEN_BYTES)}}
    return event if data is event.data else Event(event.type, data, event.at)


async def _with_light_values(call: dict[str, Any], put: Put) -> dict[str, Any]:
    large = [name for name in ("arguments", "input") if call.get(name) is not None]
    return {**call, **{name: await put(call[name], INLINE_BYTES) for name in large}}
