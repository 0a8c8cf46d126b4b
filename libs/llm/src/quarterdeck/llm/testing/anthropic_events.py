"""The wire format of the Anthropic Messages API, from the server's side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from quarterdeck.llm.testing.replies import Call, Fault, Reply, pieces

_STOP = {
    "end": "end_turn",
    "tools": "tool_use",
    "length": "max_tokens",
    "refusal": "refusal",
    "context": "model_context_window_exceeded",
    "unknown": "a_reason_of_tomorrow",
}
_KIND_OF_STATUS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def events(reply: Reply, model: str) -> Iterator[bytes]:
    """Every event of a streamed answer, encoded."""
    yield _event("message_start", {"message": _message(reply, model)})
    yield _event("ping", {})
    for index, (start, deltas) in enumerate(_blocks(reply)):
        yield _event("content_block_start", {"index": index, "content_block": start})
        for delta in deltas:
            yield _event("content_block_delta", {"index": index, "delta": delta})
        yield _event("content_block_stop", {"index": index})
    yield _event("message_delta", _end(reply))
    yield _event("message_stop", {})


def stream_error() -> bytes:
    """The error event that may come in the middle of a stream."""
    return _event("error", {"error": {"type": "overloaded_error", "message": "Overloaded"}})


def error_body(fault: Fault) -> bytes:
    """The body of an answer with an error status."""
    kind = fault.kind or _KIND_OF_STATUS.get(fault.status, "api_error")
    error: dict[str, Any] = {"type": kind, "message": fault.message}
    if fault.code:
        error["details"] = {"error_code": fault.code}
    return json.dumps({"type": "error", "error": error, "request_id": "req_test"}).encode()


def _message(reply: Reply, model: str) -> dict[str, Any]:
    usage = {
        "input_tokens": reply.input_tokens,
        "cache_creation_input_tokens": reply.cache_write_tokens,
        "cache_read_input_tokens": reply.cache_read_tokens,
        "output_tokens": 1,
    }
    return {
        "id": "msg_test",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }


def _blocks(reply: Reply) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    if reply.thinking:
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(reply.thinking)]
        signature = {"type": "signature_delta", "signature": "c2lnbmVk"}
        yield {"type": "thinking", "thinking": "", "signature": ""}, [*deltas, signature]
    if reply.text:
        deltas = [{"type": "text_delta", "text": piece} for piece in pieces(reply.text)]
        yield {"type": "text", "text": ""}, deltas
    if reply.unknown_block:
        yield {"type": "hologram", "data": "?"}, []
    for position, call in enumerate(reply.calls):
        yield _tool_use(call, position)


def _tool_use(call: Call, position: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    start = {"type": "tool_use", "id": call.id or f"toolu_{position}", "name": call.name, "input": {}}
    return start, [{"type": "input_json_delta", "partial_json": piece} for piece in ["", *pieces(call.text)]]


def _end(reply: Reply) -> dict[str, Any]:
    delta: dict[str, Any] = {"stop_reason": _STOP[reply.stop_kind], "stop_sequence": None}
    if reply.stop_kind == "refusal":
        delta["stop_details"] = {"type": "refusal", "category": None, "explanation": "Not this."}
    return {"delta": delta, "usage": {"output_tokens": reply.output_tokens}}


def _event(kind: str, data: dict[str, Any]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n".encode()
