"""What is particular to Chat Completions."""

from collections.abc import AsyncIterator

import pytest

from quarterdeck.llm import errors
from quarterdeck.llm.openai_provider import OpenAIProvider
from quarterdeck.llm.openai_wire import is_strict
from quarterdeck.llm.sdk import Connection
from quarterdeck.llm.testing import Call, Reply, WireServer
from quarterdeck.llm.types import Message, ModelRequest, ToolResult, ToolSpec, ToolUse

CLOSED = {
    "type": "object",
    "properties": {"invoice": {"type": "string"}},
    "required": ["invoice"],
    "additionalProperties": False,
}


@pytest.fixture
async def server() -> AsyncIterator[WireServer]:
    async with WireServer(lambda _request: Reply(text="ok")) as server:
        yield server


@pytest.fixture
async def provider(server: WireServer) -> AsyncIterator[OpenAIProvider]:
    provider = OpenAIProvider(Connection("secret", base_url=server.openai_url))
    yield provider
    await provider.aclose()


async def test_the_request_has_the_published_form(server: WireServer, provider: OpenAIProvider) -> None:
    messages = (
        Message.user("Find it"),
        Message.assistant(ToolUse("t1", "find", {"query": "a"})),
        Message.user(ToolResult("t1", "broken", is_error=True), "And hurry"),
    )
    tool = ToolSpec("find", "Finds.", {"properties": {"query": {"type": "string"}}})
    await provider.generate(
        ModelRequest(messages, model="m", system="Be brief.", tools=(tool,), max_tokens=50, temperature=0.5)
    )
    assert server.requests[0].body == {
        "model": "m",
        "max_tokens": 50,
        "temperature": 0.5,
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Find it"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "t1",
                        "type": "function",
                        "function": {"name": "find", "arguments": '{"query": "a"}'},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "t1", "content": "The tool failed: broken"},
            {"role": "user", "content": "And hurry"},
        ],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "find",
                    "description": "Finds.",
                    "parameters": {"type": "object", "properties": {"query": {"type": "string"}}},
                },
            }
        ],
    }
    assert server.requests[0].headers["authorization"] == "Bearer secret"


async def test_the_bound_has_the_name_the_server_knows(server: WireServer) -> None:
    own = OpenAIProvider(Connection("k", server.openai_url), limit_field="max_completion_tokens")
    await own.generate(ModelRequest((Message.user("Hi"),), model="m", max_tokens=9))
    assert server.requests[0].body["max_completion_tokens"] == 9
    await own.aclose()


async def test_a_schema_is_asked_for(server: WireServer, provider: OpenAIProvider) -> None:
    await provider.generate(ModelRequest((Message.user("Hi"),), model="m", output_schema=CLOSED))
    assert server.requests[0].body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": CLOSED, "strict": True},
    }


def test_strict_needs_closed_objects_with_every_property_required() -> None:
    assert is_strict(CLOSED)
    assert not is_strict({**CLOSED, "required": []})
    assert not is_strict({**CLOSED, "additionalProperties": True})
    assert not is_strict({"type": "array", "items": [{"type": "object"}]})


async def test_tool_calls_that_end_with_stop_are_tool_calls(
    server: WireServer, provider: OpenAIProvider
) -> None:
    server.reply(Reply(calls=(Call("find", {"a": 1}),), stop="end"))
    response = await provider.generate(ModelRequest((Message.user("Hi"),), model="m"))
    assert response.stop_reason == "tool_use"


async def test_a_key_is_needed_only_at_the_providers_own_address(server: WireServer) -> None:
    request = ModelRequest((Message.user("Hi"),), model="m")
    with pytest.raises(errors.AuthenticationFailed, match="OPENAI_API_KEY"):
        await OpenAIProvider(Connection("")).generate(request)
    local = OpenAIProvider(Connection("", server.openai_url))
    assert (await local.generate(request)).message.text == "ok"
    await local.aclose()
