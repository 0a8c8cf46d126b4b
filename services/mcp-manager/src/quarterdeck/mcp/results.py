"""What a tool's answer means as one JSON value."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

ERROR_TEXT_LIMIT = 2000


def result_value(result: Mapping[str, Any]) -> Any:
    """Returns the value of a `tools/call` result, given as it came over the wire.

    Structured content wins. Text that is a JSON object or array is read; any other text becomes
    {"text": …}, also when it happens to be a JSON scalar, so that a tool that answers with text keeps one
    shape. Anything else (images, audio, links) is handed on as {"content": [blocks]}.
    """
    structured = result.get("structuredContent")
    if structured is not None:
        return structured
    blocks: Sequence[Mapping[str, Any]] = result.get("content") or ()
    if any(block.get("type") != "text" for block in blocks):
        return {"content": list(blocks)}
    return _text_value("\n".join(str(block.get("text", "")) for block in blocks))


def _text_value(text: str) -> Any:
    if text.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(text, parse_constant=_refuse)
        except (ValueError, RecursionError):
            pass
    return {"text": text}


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def error_text(result: Mapping[str, Any]) -> str:
    """Returns what a failed tool says about its failure, cut to a readable length."""
    blocks: Sequence[Mapping[str, Any]] = result.get("content") or ()
    texts = [str(block.get("text", "")) for block in blocks if block.get("type") == "text"]
    text = "\n".join(texts).strip() or "the tool failed and gave no reason"
    return text if len(text) <= ERROR_TEXT_LIMIT else text[:ERROR_TEXT_LIMIT] + "…"
