"""The process that does what would hold the event loop: `python -m quarterdeck.mcp.worker`.

It reads frames from standard input and answers each with one on standard output, in order. A frame is two
32-bit big-endian lengths, a JSON header and a body. It ends at end of file, so it never outlives the manager.

Operations (header field "op"):

* "answer": the body is a JSON-RPC answer to `tools/call`. The answer's body is the result's value as JSON,
  its header has "id", "isError", "text" (of a failure) and, when "schema" was given, "problem".
* "validate": the body is a document for "schema". The answer's header has "problem".

"problem" is null or {"path", "message"}. A header with "failure" says why the operation was not possible.
"""

from __future__ import annotations

import json
import struct
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any, BinaryIO

from quarterdeck.mcp.results import error_text, result_value
from quarterdeck.mcp.schema import BadSchema, compile_schema, find_problem

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

LENGTHS = struct.Struct(">II")
Frame = tuple[dict[str, Any], bytes]


def pack(header: dict[str, Any], body_size: int) -> bytes:
    """Returns the beginning of a frame, which its body follows."""
    encoded = json.dumps(header).encode()
    return LENGTHS.pack(len(encoded), body_size) + encoded


def handle(header: dict[str, Any], body: bytes) -> Frame:
    """Performs one operation. Every failure is an answer, never an exception."""
    try:
        operation = {"answer": read_answer, "validate": validate}[header["op"]]
        return operation(header, body)
    except (ValueError, RecursionError) as error:
        return {"failure": f"not valid JSON: {type(error).__name__}: {str(error)[:200]}"}, b""
    except BadSchema as error:
        return {"failure": str(error)}, b""


def read_answer(header: dict[str, Any], body: bytes) -> Frame:
    """See "answer" above."""
    message = json.loads(body, parse_constant=_refuse)
    result = message.get("result") if isinstance(message, dict) else None
    if not isinstance(result, dict) or not isinstance(result.get("content", []), list):
        return {"failure": "it is not an answer to a tool call"}, b""
    failed = bool(result.get("isError"))
    answer: dict[str, Any] = {"id": message.get("id"), "isError": failed}
    answer["text"] = error_text(result) if failed else ""
    if header.get("schema") and not failed:
        answer["problem"] = _problem(header["schema"], result.get("structuredContent"))
    return answer, json.dumps(result_value(result), separators=(",", ":"), ensure_ascii=False).encode()


def validate(header: dict[str, Any], body: bytes) -> Frame:
    """See "validate" above."""
    return {"problem": _problem(header["schema"], json.loads(body))}, b""


def _problem(schema: dict[str, Any], document: Any) -> dict[str, str] | None:
    found = find_problem(_compiled(json.dumps(schema, sort_keys=True)), document)
    return None if found is None else {"path": found.path, "message": found.message}


@lru_cache(maxsize=128)
def _compiled(schema: str) -> Validator:
    return compile_schema(json.loads(schema))


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def serve(source: BinaryIO, sink: BinaryIO) -> None:
    """Answers frames until the source ends."""
    while lengths := source.read(LENGTHS.size):
        header_size, body_size = LENGTHS.unpack(lengths)
        header = json.loads(source.read(header_size))
        answer, body = handle(header, source.read(body_size))
        sink.write(pack(answer, len(body)))
        sink.write(body)
        sink.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
