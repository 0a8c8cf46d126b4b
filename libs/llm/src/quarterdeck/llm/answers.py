"""What no answer of a model may be, whichever provider gave it."""

from __future__ import annotations

from quarterdeck.common import codec
from quarterdeck.llm.errors import MalformedOutput
from quarterdeck.llm.types import ModelResponse


def check_answer(response: ModelResponse) -> ModelResponse:
    """Returns the answer. Raises MalformedOutput if it cannot be kept or its calls cannot be told apart.

    What JSON has no form for (half a character, a value nested without end) would make the run's journal
    unreadable.
    """
    problem = _double_call(response) or _not_json(response)
    if problem:
        raise MalformedOutput(problem, provider=response.provider, usage=response.usage)
    return response


def _double_call(response: ModelResponse) -> str:
    ids = [use.id for use in response.message.tool_uses]
    doubles = sorted({id for id in ids if ids.count(id) > 1}) if len(set(ids)) < len(ids) else []
    return f"two tool calls have the same id {doubles[0]!r}" if doubles else ""


def _not_json(response: ModelResponse) -> str:
    try:
        data = codec.dumps(response.message.to_json())
    except ValueError as error:
        return f"the answer is no valid JSON or Unicode: {error}"
    return "the answer holds values nested too deep" if codec.is_deep(data) else ""
