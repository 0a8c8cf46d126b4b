"""What a connection has asked, and what its incoming lines mean before the SDK sees them.

The SDK reads and validates every message in the event loop, whatever its size. So answers to calls that are
larger than `INLINE_BYTES` are read in the worker process; the SDK gets a small stand-in whose `_meta` names
the payload that was set aside. What is too large, or is not JSON, becomes an error for the one request it
answers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from quarterdeck.common import codec
from quarterdeck.common.errors import Unavailable
from quarterdeck.mcp.constants import (
    CONTROL_MESSAGE_BYTES,
    INLINE_BYTES,
    OVERSIZED,
    PAYLOAD_KEY,
    UNREADABLE,
)
from quarterdeck.mcp.failures import Unusable
from quarterdeck.mcp.framing import EDGE_BYTES, Oversized, is_initiative, message_id
from quarterdeck.mcp.offload import Offload, Payload, Unreadable

CALL = "tools/call"
RequestId = int | str
SchemaOf = Callable[[str], dict[str, Any] | None]


class Exchange:
    """The requests in flight on one connection.

    Args:
        limit: largest message in bytes.
        offload: where large answers are read.
        schema_of: output schema of a tool, against which a large answer is checked.
    """

    def __init__(self, limit: int, offload: Offload, schema_of: SchemaOf = lambda _: None) -> None:
        self.limit = limit
        self._offload = offload
        self._schema_of = schema_of
        self._pending: dict[RequestId, tuple[str, str]] = {}
        self._payloads: dict[RequestId, Payload] = {}

    def sent(self, request: RequestId, method: str, tool: str = "") -> None:
        """Notes a request that is about to be written."""
        self._pending[request] = (method, tool)

    def settled(self, request: RequestId) -> None:
        """Notes that a request was answered."""
        self._pending.pop(request, None)

    def abandoned(self, request: RequestId) -> None:
        """Notes that nobody waits for the answer any more."""
        self._pending.pop(request, None)
        self._payloads.pop(request, None)

    def take(self, meta: dict[str, Any] | None) -> Payload | None:
        """Returns the payload that a stand-in's `_meta` names, once; None if it names none.

        Raises Unusable if it names one that is not there: only a server that plays our part can do that.
        """
        key = (meta or {}).get(PAYLOAD_KEY)
        if key is None:
            return None
        payload = self._payloads.pop(key, None) if isinstance(key, int | str) else None
        if payload is None:
            raise Unusable(f"the server's answer uses the reserved key {PAYLOAD_KEY}")
        return payload

    async def admit(self, line: bytes | Oversized, asked: RequestId | None = None) -> bytes | None:
        """Returns what the SDK may see in place of `line`: itself, a stand-in, an error; None: nothing.

        Args:
            line: a message, or what is left of one that was too large.
            asked: the request that it can only answer, where the transport knows.
        """
        if isinstance(line, Oversized):
            return self._skipped(line, asked)
        if len(line) <= INLINE_BYTES:
            return line
        head = line[:EDGE_BYTES]
        if is_initiative(head):
            return line if len(line) <= CONTROL_MESSAGE_BYTES else None
        found = message_id(head, line[-EDGE_BYTES:])
        request = asked if found is None else found
        if request is not None and request not in self._pending:
            return None
        if self._is_call(request):
            return await self._set_aside(line, request)
        if len(line) > CONTROL_MESSAGE_BYTES:
            return self._too_large(request, len(line), CONTROL_MESSAGE_BYTES)
        return line

    def _skipped(self, line: Oversized, asked: RequestId | None) -> bytes | None:
        if is_initiative(line.head):
            return None
        found = message_id(line.head, line.tail)
        return self._too_large(asked if found is None else found, line.size, self.limit)

    def unreadable(self, line: bytes, reason: str) -> bytes | None:
        """Returns an error for the request that a broken line answers; None when it answers none."""
        request = message_id(line[:EDGE_BYTES], line[-EDGE_BYTES:])
        if request is None and b'"jsonrpc"' not in line[:EDGE_BYTES]:
            return None
        return self.error(request, UNREADABLE, f"the tool server's answer is not valid JSON: {reason}")

    def _is_call(self, request: RequestId | None) -> bool:
        if request is None:
            return any(method == CALL for method, _ in self._pending.values())
        return self._pending.get(request, ("", ""))[0] == CALL

    async def _set_aside(self, line: bytes, request: RequestId | None) -> bytes | None:
        tool = self._pending.get(request, ("", ""))[1] if request is not None else ""
        try:
            payload = await self._offload.read_answer(line, self._schema_of(tool) if tool else None)
        except (Unreadable, Unavailable) as error:
            return self.error(request, UNREADABLE, f"the tool server's answer cannot be read: {error}")
        answers = payload.id if payload.id is not None else request
        if answers is None or answers not in self._pending:
            return None
        self._payloads[answers] = payload
        result = {"content": [], "isError": payload.is_error, "_meta": {PAYLOAD_KEY: answers}}
        return codec.dumps({"jsonrpc": "2.0", "id": answers, "result": result})

    def _too_large(self, request: RequestId | None, size: int, limit: int) -> bytes | None:
        message = f"the tool server sent a message of {size:,} bytes; at most {limit:,} are taken"
        return self.error(request, OVERSIZED, message)

    def error(self, request: RequestId | None, code: int, message: str) -> bytes | None:
        """Fails `request`, or the oldest one in flight when the line does not say which it answers."""
        answers = next(iter(self._pending), None) if request is None else request
        if answers not in self._pending:
            return None
        return codec.dumps({"jsonrpc": "2.0", "id": answers, "error": {"code": code, "message": message}})
