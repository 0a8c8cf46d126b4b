"""The wire format of OpenAI Chat Completions, from the server's side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from quarterdeck.llm.testing.replies import Call, Fault, Reply, pieces

_STOP = {
    "end": "stop",
    "tools": "tool_calls",
    "length": "length",
    "refusal": "stop",
    "context": "length",
    "unknown": "a_reason_of_tomorrow",
}


def events(reply: Reply, model: str) -> Iterator[bytes]:
    """Every chunk of a streamed answer, encoded."""
    for delta in [{"role": "assistant", "content": ""}, *_deltas(reply)]:
        yield _chunk(model, [{"index": 0, "delta": delta, "finish_reason": None}])
    yield _chunk(model, [{"index": 0, "delta": {}, "finish_reason": _STOP[reply.stop_kind]}])
    yield _chunk(model, [], _usage(reply))
    yield b"data: [DONE]\n\n"


def stream_error() -> bytes:
    """The error that may come in the middle of a stream."""
    error = {"message": "Overloaded", "type": "server_error", "code": "overloaded_error"}
    return f"data: {json.dumps({'error': error})}\n\n".encode()


def error_body(fault: Fault) -> bytes:
    """The body of an answer with an error status."""
    kind = fault.kind or ("server_error" if fault.status >= 500 else "invalid_request_error")
    error = {"message": fault.message, "type": kind, "code": fault.code or None, "param": None}
    return json.dumps({"error": error}).encode()


def _deltas(reply: Reply) -> Iterator[dict[str, Any]]:
    field = "refusal" if reply.stop_kind == "refusal" else "content"
    for piece in pieces(reply.text or ("Not this." if field == "refusal" else "")):
        yield {field: piece}
    for position, call in enumerate(reply.calls):
        yield from _call(call, position, named=not reply.unknown_block)


def _call(call: Call, position: int, *, named: bool) -> Iterator[dict[str, Any]]:
    """The pieces of one call. A call without a name is what nobody can make sense of."""
    function: dict[str, Any] = {"name": call.name if named else None, "arguments": ""}
    start = {"index": position, "id": call.id or f"call_{position}", "type": "function", "function": function}
    yield {"tool_calls": [start]}
    for piece in pieces(call.text):
        yield {"tool_calls": [{"index": position, "function": {"arguments": piece}}]}


def _usage(reply: Reply) -> dict[str, Any]:
    prompt = reply.input_tokens + reply.cache_read_tokens + reply.cache_write_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": reply.output_tokens,
        "total_tokens": prompt + reply.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": reply.cache_read_tokens,
            "cache_write_tokens": reply.cache_write_tokens,
        },
    }


def _chunk(model: str, choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> bytes:
    chunk = {
        "id": "chatcmpl-test",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": model,
        "choices": choices,
        "usage": usage,
    }
    return f"data: {json.dumps(chunk)}\n\n".encode()
