"""Whether a model's final message is the answer its agent promised. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def answer_of(
    message: Mapping[str, Any], schema: Mapping[str, Any] | None, stop_reason: str
) -> tuple[Any, str]:
    """Returns (value, problem): the answer, or what is wrong with it.

    Without a schema the answer is the message's text; with one it is the JSON value that the
    text holds, checked against it.
    """
    text = "".join(block["text"] for block in message["content"] if block["type"] == "text")
    if stop_reason == "max_tokens":
        return None, "the answer was cut off at the token limit; be shorter"
    if schema is None:
        return text, ""
    from quarterdeck.llm.errors import InvalidRequest
    from quarterdeck.llm.structured import Ok, check_output

    try:
        verdict = check_output(text, schema)
    except InvalidRequest as error:
        return None, error.message
    return (verdict.value, "") if isinstance(verdict, Ok) else (None, verdict.message)


def repair_message(problem: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the one request to answer again in the promised form."""
    from quarterdeck.llm.structured import Problem, repair_request

    text = repair_request(Problem(problem), schema)
    return {"role": "user", "content": [{"type": "text", "text": text}]}
