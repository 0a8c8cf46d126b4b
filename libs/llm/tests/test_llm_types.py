"""The contract's data: round trips through JSON, arithmetic, estimates, cold imports, errors."""

import inspect
import json
import subprocess
import sys

import pytest

from quarterdeck.llm import errors, tokens
from quarterdeck.llm.types import (
    Message,
    ModelDelta,
    ModelRequest,
    ModelResponse,
    ProviderBlock,
    Text,
    ToolResult,
    ToolSpec,
    ToolUse,
    Usage,
)

EVERY_BLOCK = Message(
    "assistant",
    (
        Text("Möbel"),
        ToolUse("t1", "find", {"query": {"deep": [1, 2.5, None]}}),
        ToolResult("t1", {"found": []}, is_error=True),
        ToolResult("t1", "plain text"),
        ProviderBlock("anthropic", {"type": "thinking", "signature": "x"}),
    ),
)


def test_messages_survive_the_journal() -> None:
    assert Message.from_json(json.loads(json.dumps(EVERY_BLOCK.to_json()))) == EVERY_BLOCK


def test_responses_usage_and_tools_survive_the_journal() -> None:
    response = ModelResponse(EVERY_BLOCK, "tool_use", Usage(1, 2, 3, 4), "claude", "anthropic")
    assert ModelResponse.from_json(json.loads(json.dumps(response.to_json()))) == response
    tool = ToolSpec("find", "Finds.", {"type": "object"})
    assert ToolSpec.from_json(tool.to_json()) == tool


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"role": "system", "content": []}, "role: 'system'"),
        ({"role": "user", "content": [{"type": "image"}]}, r"content\[0\]: unknown block type 'image'"),
        ({"role": "user", "content": [{"type": "toolUse", "id": "x"}]}, "no field 'name'"),
    ],
)
def test_what_is_no_message_is_refused_with_its_place(data: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Message.from_json(data)


def test_a_message_gives_its_parts() -> None:
    assert EVERY_BLOCK.text == "Möbel"
    assert [use.name for use in EVERY_BLOCK.tool_uses] == ["find"]
    assert len(EVERY_BLOCK.tool_results) == 2


def test_usage_adds_up() -> None:
    assert Usage(1, 2, 3, 4) + Usage(10, 20, 30, 40) == Usage(11, 22, 33, 44)
    assert Usage(1, 2, 3, 4).total == 10


def test_deltas_as_json() -> None:
    assert ModelDelta(text="a").to_json() == {"type": "text", "text": "a"}
    assert ModelDelta("", "t1", "find", "{").to_json() == {
        "type": "toolUse",
        "id": "t1",
        "name": "find",
        "argumentsText": "{",
    }
    assert ModelDelta(restart=True).to_json() == {"type": "restart"}


def test_estimates_are_four_characters_to_a_token() -> None:
    assert [tokens.estimate_text(text) for text in ("", "a", "abcd", "abcde")] == [0, 1, 1, 2]
    assert tokens.estimate_json({"a": 1}) == 2
    request = ModelRequest((Message.user("abcdefgh"),), system="abcd")
    assert tokens.estimate_request(request) == 1 + 4 + 2


ERRORS = [
    kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.ModelError)
]


@pytest.mark.parametrize("kind", ERRORS)
def test_every_error_is_data_and_in_the_map(kind: type[errors.ModelError]) -> None:
    error = (
        kind("it broke") if kind is errors.PlaybookInvalid else kind("it broke", provider="x", hint="mend it")
    )
    data = error.to_json()
    assert data["class"] in {"timeout", "model", "validation", "budget"}
    assert data["message"] == "it broke"
    assert "it broke" in str(error)
    line = next(line for line in (errors.__doc__ or "").splitlines() if f" {kind.__name__} " in f" {line} ")
    assert kind.error_class in line or kind is errors.ModelError
    if kind is not errors.ModelError:
        assert ("  yes " in line) is kind.retryable


def test_error_codes_differ() -> None:
    assert len({kind.code for kind in ERRORS}) == len(ERRORS)


def test_a_cold_import_is_light() -> None:
    """Neither an SDK nor anything else that is slow comes with the router."""
    code = (
        "import sys, quarterdeck.llm.router, quarterdeck.llm.types, quarterdeck.llm.structured,"
        " quarterdeck.llm.compaction, quarterdeck.llm.providers\n"
        "slow = {'anthropic', 'openai', 'httpx', 'httpx2', 'jsonschema', 'regex', 'cel_expr_python', "
        " 'pydantic', 'yaml', 'opentelemetry'}\n"
        "print(sorted(slow & set(sys.modules)))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"
