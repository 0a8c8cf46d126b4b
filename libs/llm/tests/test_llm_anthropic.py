"""What is particular to the Anthropic Messages API."""

from collections.abc import AsyncIterator

import pytest

from quarterdeck.llm import errors
from quarterdeck.llm.anthropic_provider import AnthropicProvider
from quarterdeck.llm.anthropic_schema import native_schema
from quarterdeck.llm.sdk import Connection
from quarterdeck.llm.testing import Call, Reply, WireServer
from quarterdeck.llm.types import Message, ModelRequest, ProviderBlock, ToolResult, ToolSpec

ANSWER = {
    "type": "object",
    "properties": {
        "invoice": {"type": ["string", "null"], "description": "its number"},
        "confidence": {"type": "number", "minimum": 0, "maximum": 1},
        "verdict": {"type": "string", "enum": ["match", "none"]},
        "lines": {"type": "array", "items": {"type": ["integer", "string"]}},
    },
    "required": ["invoice", "confidence"],
}
OPEN = {"type": "object", "properties": {"extra": {"type": "object"}}}


@pytest.fixture
async def server() -> AsyncIterator[WireServer]:
    async with WireServer(lambda _request: Reply(text="{}")) as server:
        yield server


@pytest.fixture
async def provider(server: WireServer) -> AsyncIterator[AnthropicProvider]:
    provider = AnthropicProvider(Connection("secret", base_url=server.anthropic_url))
    yield provider
    await provider.aclose()


async def test_the_request_streams_and_leaves_sampling_alone(
    server: WireServer, provider: AnthropicProvider
) -> None:
    await provider.generate(
        ModelRequest((Message.user("Hi"),), model="claude", max_tokens=77, temperature=0.0)
    )
    body = server.requests[0].body
    assert (body["model"], body["max_tokens"], body["stream"]) == ("claude", 77, True)
    assert body.keys() == {"model", "max_tokens", "messages", "stream"}


async def test_system_tools_and_last_turn_are_marked_for_the_cache(
    server: WireServer, provider: AnthropicProvider
) -> None:
    tools = (ToolSpec("a", "", {"type": "object"}), ToolSpec("b", "", {"type": "object"}))
    messages = (Message.user("One"), Message.assistant("Two"), Message.user("Three"))
    await provider.generate(ModelRequest(messages, model="claude", system="Be brief.", tools=tools))
    body = server.requests[0].body
    mark = {"type": "ephemeral"}
    assert body["system"] == [{"type": "text", "text": "Be brief.", "cache_control": mark}]
    assert [tool.get("cache_control") for tool in body["tools"]] == [None, mark]
    assert [part.get("cache_control") for m in body["messages"] for part in m["content"]] == [
        None,
        None,
        mark,
    ]


async def test_caching_can_be_switched_off(server: WireServer, provider: AnthropicProvider) -> None:
    request = ModelRequest((Message.user("Hi"),), model="claude", system="Be brief.", cache_prompt=False)
    await provider.generate(request)
    assert "cache_control" not in str(server.requests[0].body)


async def test_a_failed_tool_is_marked(server: WireServer, provider: AnthropicProvider) -> None:
    messages = (Message.user("Hi"), Message.user(ToolResult("t", {"why": "broken"}, is_error=True)))
    await provider.generate(ModelRequest(messages, model="claude", cache_prompt=False))
    assert server.requests[0].body["messages"][1]["content"] == [
        {"type": "tool_result", "tool_use_id": "t", "content": '{"why": "broken"}', "is_error": True}
    ]


async def test_reasoning_is_kept_and_sent_back_unchanged(
    server: WireServer, provider: AnthropicProvider
) -> None:
    server.reply(Reply(thinking="Let me think about this.", calls=(Call("a"),)))
    request = ModelRequest((Message.user("Hi"),), model="claude")
    response = await provider.generate(request)
    reasoning = response.message.content[0]
    assert isinstance(reasoning, ProviderBlock)
    assert Message.from_json(response.message.to_json()) == response.message
    result = Message.user(ToolResult(response.message.tool_uses[0].id, "ok"))
    await provider.generate(ModelRequest((Message.user("Hi"), response.message, result), model="claude"))
    sent = server.requests[1].body["messages"][1]["content"][0]
    assert sent == {"type": "thinking", "thinking": "Let me think about this.", "signature": "c2lnbmVk"}


async def test_reasoning_of_others_is_left_out(server: WireServer, provider: AnthropicProvider) -> None:
    other = Message.assistant(ProviderBlock("elsewhere", {"type": "secret"}), "Hello")
    await provider.generate(ModelRequest((Message.user("Hi"), other, Message.user("Go on")), model="claude"))
    assert "secret" not in str(server.requests[0].body)


async def test_a_schema_is_enforced_by_the_api(server: WireServer, provider: AnthropicProvider) -> None:
    await provider.generate(ModelRequest((Message.user("Hi"),), model="claude", output_schema=ANSWER))
    body = server.requests[0].body
    schema = body["output_config"]["format"]["schema"]
    assert body["output_config"]["format"]["type"] == "json_schema"
    assert schema["additionalProperties"] is False
    assert schema["properties"]["invoice"]["anyOf"] == [{"type": "string"}, {"type": "null"}]
    assert "system" not in body


async def test_a_schema_the_api_cannot_take_is_told_in_words(
    server: WireServer, provider: AnthropicProvider
) -> None:
    request = ModelRequest((Message.user("Hi"),), model="claude", system="Be brief.", output_schema=OPEN)
    await provider.generate(request)
    body = server.requests[0].body
    assert "output_config" not in body
    assert body["system"][0]["text"].startswith("Be brief.\n\n")
    assert "JSON Schema" in body["system"][0]["text"]


@pytest.mark.parametrize(
    "schema",
    [
        OPEN,
        {"type": "string"},
        {"type": "object", "properties": {"a": {}}},
        {"type": "object", "properties": {"a": True}},
        {"type": "object", "properties": {"a": {"type": "strange"}}},
        {
            "type": "object",
            "properties": {"a": {"type": "string"}},
            "additionalProperties": {"type": "string"},
        },
        {"type": "array", "items": {"type": "object"}},
    ],
)
def test_open_or_strange_schemas_have_no_native_form(schema: dict[str, object]) -> None:
    assert native_schema(schema) is None


async def test_a_full_window_is_context_too_long(server: WireServer, provider: AnthropicProvider) -> None:
    server.reply(Reply(text="half", stop="context"))
    with pytest.raises(errors.ContextTooLong):
        await provider.generate(ModelRequest((Message.user("Hi"),), model="claude"))


@pytest.mark.parametrize(
    "reply", [Reply(text="a longer text", cut_after=4), Reply(text="x" * 99, silent_after=4)]
)
async def test_a_broken_answer_is_paid_for(
    server: WireServer, provider: AnthropicProvider, reply: Reply
) -> None:
    server.reply(reply)
    with pytest.raises(errors.ModelError) as caught:
        await provider.generate(ModelRequest((Message.user("Hi"),), model="claude", timeout=0.5))
    assert isinstance(caught.value, errors.StreamInterrupted | errors.ModelTimeout)
    assert caught.value.usage.input_tokens == 100


async def test_without_a_key_nothing_is_sent(server: WireServer) -> None:
    with pytest.raises(errors.AuthenticationFailed, match="ANTHROPIC_API_KEY"):
        await AnthropicProvider(Connection("", base_url=server.anthropic_url)).generate(
            ModelRequest((Message.user("Hi"),), model="claude")
        )
    assert server.requests == []


def test_the_key_is_not_shown() -> None:
    assert "secret" not in repr(Connection("secret"))
