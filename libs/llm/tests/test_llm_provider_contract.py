"""What every remote provider must do, over the real SDKs and real HTTP on loopback."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from quarterdeck.llm import errors
from quarterdeck.llm.anthropic_provider import AnthropicProvider
from quarterdeck.llm.openai_provider import OpenAIProvider
from quarterdeck.llm.sdk import Connection
from quarterdeck.llm.testing import Call, Fault, Reply, WireServer
from quarterdeck.llm.types import (
    Message,
    ModelDelta,
    ModelRequest,
    ModelResponse,
    Provider,
    Text,
    ToolResult,
    ToolSpec,
    ToolUse,
    Usage,
)

TOOLS = (
    ToolSpec("find", "Finds things.", {"type": "object", "properties": {"query": {"type": "string"}}}),
    ToolSpec("now", "The time.", {"type": "object", "properties": {}}),
)
REQUEST = ModelRequest((Message.user("Hi"),), model="test-model", system="Be brief.", tools=TOOLS)


@dataclass
class Bench:
    server: WireServer
    provider: Provider
    make: Callable[..., Provider]

    async def ask(self, *replies: Reply | Fault, request: ModelRequest = REQUEST) -> ModelResponse:
        self.server.reply(*replies)
        return await self.provider.generate(request)


@pytest.fixture(params=["anthropic", "openai"])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    made: list[Provider] = []
    async with WireServer() as server:

        def make(**options: object) -> Provider:
            is_anthropic = request.param == "anthropic"
            url = server.anthropic_url if is_anthropic else server.openai_url
            settings: dict[str, Any] = {"api_key": "secret-key", "base_url": url, "total": 20.0, "idle": 10.0}
            connection = Connection(**{**settings, **options})
            made.append(AnthropicProvider(connection) if is_anthropic else OpenAIProvider(connection))
            return made[-1]

        yield Bench(server, make(), make)
        for provider in made:
            await provider.aclose()


async def test_text_is_streamed_and_returned_whole(bench: Bench) -> None:
    deltas: list[ModelDelta] = []
    bench.server.reply(Reply(text="Good morning, bookkeeper.", input_tokens=7, output_tokens=5))
    response = await bench.provider.generate(REQUEST, deltas.append)
    assert response.message == Message.assistant("Good morning, bookkeeper.")
    assert "".join(delta.text for delta in deltas) == "Good morning, bookkeeper."
    assert len(deltas) > 1
    assert response.stop_reason == "end_turn"
    assert (response.provider, response.model) == (bench.provider.name, "test-model")
    assert response.usage == Usage(7, 5)


async def test_parallel_tool_calls_keep_ids_names_and_order(bench: Bench) -> None:
    deltas: list[ModelDelta] = []
    calls = (
        Call("find", {"query": "Möbel"}, id="a"),
        Call("now", {}, id="b"),
        Call("find", {"query": "x"}, id="c"),
    )
    bench.server.reply(Reply(text="Looking.", calls=calls))
    response = await bench.provider.generate(REQUEST, deltas.append)
    assert response.stop_reason == "tool_use"
    assert response.message.content == (
        Text("Looking."),
        ToolUse("a", "find", {"query": "Möbel"}),
        ToolUse("b", "now", {}),
        ToolUse("c", "find", {"query": "x"}),
    )
    fragments = "".join(delta.arguments_text for delta in deltas if delta.tool_use_id == "a")
    assert fragments == calls[0].text
    assert {delta.tool_name for delta in deltas if delta.tool_use_id} == {"find", "now"}


async def test_cache_counts_do_not_overlap(bench: Bench) -> None:
    response = await bench.ask(
        Reply(text="x", input_tokens=10, output_tokens=3, cache_read_tokens=200, cache_write_tokens=40)
    )
    assert response.usage == Usage(10, 3, 200, 40)
    assert response.usage.total == 253


async def test_a_whole_tool_conversation_is_sent_in_order(bench: Bench) -> None:
    messages = (
        Message.user("Find it"),
        Message.assistant("Looking.", ToolUse("t1", "find", {"query": "a"}), ToolUse("t2", "now", {})),
        Message.user(ToolResult("t1", {"found": 2}), ToolResult("t2", "no clock", is_error=True)),
    )
    await bench.ask(Reply(text="Done."), request=ModelRequest(messages, model="m", tools=TOOLS))
    sent = bench.server.requests[0].body["messages"]
    text = str(sent)
    assert (
        text.index("Find it") < text.index("Looking.") < text.index('{"found": 2}') < text.index("no clock")
    )
    assert "t1" in text
    assert "t2" in text


async def test_empty_messages_are_not_sent(bench: Bench) -> None:
    messages = (Message.user("Hi"), Message("assistant", ()), Message.user("Still there?"))
    await bench.ask(Reply(text="Yes."), request=ModelRequest(messages, model="m"))
    assert [message["role"] for message in bench.server.requests[0].body["messages"]] == ["user", "user"]


async def test_no_metadata_leaves_the_house(bench: Bench) -> None:
    from quarterdeck.llm.types import RequestMetadata

    request = ModelRequest(
        (Message.user("Hi"),),
        model="m",
        metadata=RequestMetadata("agent-x", "tenant-y", "run-z", {"in": "put-w"}),
    )
    await bench.ask(Reply(text="x"), request=request)
    for secret in ("agent-x", "tenant-y", "run-z", "put-w"):
        assert secret not in str(bench.server.requests[0])


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(429, headers={"retry-after": "7"}), errors.RateLimited),
        (Fault(529), errors.Overloaded),
        (Fault(503), errors.Overloaded),
        (Fault(500), errors.ProviderUnavailable),
        (Fault(504), errors.ModelTimeout),
        (Fault(401, "bad key"), errors.AuthenticationFailed),
        (Fault(403), errors.AuthenticationFailed),
        (Fault(402), errors.AuthenticationFailed),
        (Fault(400, "prompt is too long: 9 tokens > 8 maximum"), errors.ContextTooLong),
        (Fault(400, "x", code="context_length_exceeded"), errors.ContextTooLong),
        (Fault(413), errors.ContextTooLong),
        (Fault(400, "messages: wrong"), errors.InvalidRequest),
        (Fault(404, "no such model"), errors.InvalidRequest),
        (Fault(429, "buy more", code="insufficient_quota"), errors.AuthenticationFailed),
    ],
)
async def test_an_error_status_becomes_our_error(
    bench: Bench, fault: Fault, expected: type[errors.ModelError]
) -> None:
    with pytest.raises(errors.ModelError) as caught:
        await bench.ask(fault)
    assert type(caught.value) is expected
    assert fault.message in caught.value.message
    assert caught.value.provider == bench.provider.name
    assert caught.value.retry_after == (7.0 if fault.headers else None)
    assert len(bench.server.requests) == 1, "retries are the router's"
    assert "secret-key" not in str(caught.value)


async def test_malformed_arguments_are_malformed_output_with_the_cost_of_it(bench: Bench) -> None:
    with pytest.raises(errors.MalformedOutput, match="'find'") as caught:
        await bench.ask(
            Reply(calls=(Call("find", raw='{"query": "unfinished'),), input_tokens=9, output_tokens=4)
        )
    assert caught.value.retryable
    assert caught.value.usage == Usage(9, 4)


@pytest.mark.parametrize("raw", ["[1, 2]", '"text"', "null", "[" * 100_000])
async def test_arguments_that_are_no_object_are_malformed_output(bench: Bench, raw: str) -> None:
    with pytest.raises(errors.MalformedOutput):
        await bench.ask(Reply(calls=(Call("find", raw=raw),)))


async def test_what_nobody_knows_is_malformed_output(bench: Bench) -> None:
    with pytest.raises(errors.MalformedOutput):
        await bench.ask(Reply(calls=(Call("now"),), unknown_block=True))
    with pytest.raises(errors.MalformedOutput, match="a_reason_of_tomorrow"):
        await bench.ask(Reply(text="x", stop="unknown"))


async def test_no_arguments_at_all_are_an_empty_object(bench: Bench) -> None:
    response = await bench.ask(Reply(calls=(Call("now", raw=""),)))
    assert response.message.tool_uses[0].arguments == {}


async def test_an_unknown_tool_is_handed_on(bench: Bench) -> None:
    response = await bench.ask(Reply(calls=(Call("nonsense", {"a": 1}),)))
    assert response.message.tool_uses[0].name == "nonsense"


async def test_a_refusal_is_an_error_with_its_explanation(bench: Bench) -> None:
    with pytest.raises(errors.Refused, match=r"Not this\.") as caught:
        await bench.ask(Reply(stop="refusal"))
    assert not caught.value.retryable


async def test_max_tokens_is_a_stop_reason(bench: Bench) -> None:
    assert (await bench.ask(Reply(text="half an ans", stop="length"))).stop_reason == "max_tokens"


@pytest.mark.parametrize("events", [1, 3, 5])
async def test_a_cut_connection_is_an_interrupted_stream(bench: Bench, events: int) -> None:
    with pytest.raises(errors.StreamInterrupted) as caught:
        await bench.ask(Reply(text="a long text that takes many events to send", cut_after=events))
    assert caught.value.retryable


async def test_an_error_inside_the_stream_keeps_its_meaning(bench: Bench) -> None:
    with pytest.raises(errors.Overloaded):
        await bench.ask(Reply(text="a long text that takes many events to send", error_after=4))


@pytest.mark.parametrize(
    "reply", [Reply(text="slow", delay=1.0), Reply(text="slow and long", silent_after=3)]
)
async def test_a_silent_stream_times_out(bench: Bench, reply: Reply) -> None:
    impatient = bench.make(idle=0.3)
    bench.server.reply(reply)
    began = time.monotonic()
    with pytest.raises(errors.ModelTimeout) as caught:
        await impatient.generate(REQUEST)
    assert time.monotonic() - began < 3
    assert caught.value.error_class == "timeout"


async def test_a_stream_that_never_ends_times_out(bench: Bench) -> None:
    impatient = bench.make(total=0.5)
    bench.server.reply(Reply(text="drip " * 200, delay=0.05))
    with pytest.raises(errors.ModelTimeout, match=r"0\.5 s"):
        await impatient.generate(REQUEST)


async def test_a_slow_stream_shows_each_piece_as_it_comes(bench: Bench) -> None:
    times: list[float] = []
    bench.server.reply(Reply(text="one two three four five six", delay=0.05))
    await bench.provider.generate(REQUEST, lambda _delta: times.append(time.monotonic()))
    assert times[-1] - times[0] > 0.05


async def test_nobody_listening_is_unavailable(bench: Bench) -> None:
    lost = bench.make(base_url="http://127.0.0.1:9")
    with pytest.raises(errors.ProviderUnavailable):
        await lost.generate(REQUEST)


async def test_cancelling_closes_the_connection(bench: Bench) -> None:
    bench.server.reply(Reply(text="drip " * 500, delay=0.02))
    task = asyncio.create_task(bench.provider.generate(REQUEST))
    await bench.server.until(lambda server: server.requests)
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await bench.server.until(lambda server: server.dropped)


async def test_many_requests_share_one_client(bench: Bench) -> None:
    bench.server.reply(*[Reply(text=f"answer {number}") for number in range(20)])
    responses = await asyncio.gather(*[bench.provider.generate(REQUEST) for _ in range(20)])
    assert {response.message.text for response in responses} == {f"answer {number}" for number in range(20)}
