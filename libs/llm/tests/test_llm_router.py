"""The router over real providers and the wire server; time stands still and is counted."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from quarterdeck.llm import errors
from quarterdeck.llm.prices import Price
from quarterdeck.llm.providers import Providers, default_providers
from quarterdeck.llm.rate import LONGEST_WAIT
from quarterdeck.llm.retry import LONGEST_DELAY, after_failure
from quarterdeck.llm.route import RouteSpec, Target
from quarterdeck.llm.router import Router
from quarterdeck.llm.testing import Call, Fault, Reply, WireServer
from quarterdeck.llm.types import Message, ModelDelta, ModelRequest, RequestMetadata, Usage

PLAYBOOK = """
kind: Playbook
name: stand-in
agents:
  clerk:
    rules:
    - {name: greet, say: "Hello from the rules."}
"""
REQUEST = ModelRequest((Message.user("Hi"),), max_tokens=100, metadata=RequestMetadata(agent="clerk"))
PRICES = [
    {"model": "big", "inputPerMillionUsd": 3, "outputPerMillionUsd": 15, "cacheReadPerMillionUsd": 0.3},
    {"model": "small", "inputPerMillionUsd": 0.1, "outputPerMillionUsd": 0.4},
]


class Time:
    """A clock that moves only when someone sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        if seconds:
            self.slept.append(seconds)
        self.now += seconds


class Bench:
    def __init__(self, server: WireServer) -> None:
        self.server = server
        self.time = Time()
        self.providers = Providers({"ANTHROPIC_API_KEY": "a", "OPENAI_API_KEY": "o"})
        self.targets: list[dict[str, Any]] = [
            {"provider": "anthropic", "model": "big", "baseUrl": server.anthropic_url},
            {"provider": "openai", "model": "small", "baseUrl": server.openai_url},
        ]

    def router(
        self, *, targets: list[dict[str, Any]] | None = None, tracer: Any = None, **spec: Any
    ) -> Router:
        tiers = [{"name": "standard", "providers": targets or self.targets}]
        route = RouteSpec.from_json("default", {"tiers": tiers, "prices": PRICES, **spec})
        return Router(
            route,
            self.providers,
            tracer=tracer,
            clock=self.time.clock,
            sleep=self.time.sleep,
            chance=lambda: 0.0,
        )


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with WireServer() as server:
        bench = Bench(server)
        yield bench
        await bench.providers.aclose()


async def test_the_first_target_answers_and_is_priced(bench: Bench) -> None:
    bench.server.reply(Reply(text="Hello", input_tokens=1000, output_tokens=10, cache_read_tokens=500))
    priced = await bench.router().generate(REQUEST, "standard")
    assert priced.response.message.text == "Hello"
    assert priced.cost_micro_usd == 1000 * 3 + 10 * 15 + 150
    assert priced.usage == Usage(1000, 10, 500)
    assert [(a.provider, a.model, a.error) for a in priced.attempts] == [("anthropic", "big", "")]
    assert bench.server.requests[0].body["model"] == "big"


async def test_a_busy_provider_is_asked_again_later_and_later(bench: Bench) -> None:
    bench.server.reply(Fault(529), Fault(500), Reply(text="Hello"))
    priced = await bench.router().generate(REQUEST, "standard")
    assert bench.time.slept == [0.5, 1.0]
    assert [attempt.error for attempt in priced.attempts] == ["overloaded", "unavailable", ""]


async def test_the_provider_says_how_long_to_wait(bench: Bench) -> None:
    bench.server.reply(Fault(429, headers={"retry-after": "7"}), Reply(text="Hello"))
    await bench.router().generate(REQUEST, "standard")
    assert bench.time.slept == [7.0]


async def test_a_long_wait_goes_to_the_next_target_at_once(bench: Bench) -> None:
    bench.server.reply(Fault(429, headers={"retry-after": "300"}), Reply(text="Hello"))
    priced = await bench.router().generate(REQUEST, "standard")
    assert bench.time.slept == []
    assert priced.response.provider == "openai"


async def test_the_next_target_takes_over_when_retries_are_used_up(bench: Bench) -> None:
    bench.server.reply(Fault(500), Fault(500), Reply(text="Hello"))
    priced = await bench.router(limits={"maxRetries": 1}).generate(REQUEST, "standard")
    assert [attempt.model for attempt in priced.attempts] == ["big", "big", "small"]


async def test_a_wrong_key_goes_to_the_next_target(bench: Bench) -> None:
    bench.server.reply(Fault(401), Reply(text="Hello"))
    assert (await bench.router().generate(REQUEST, "standard")).response.provider == "openai"


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(400, "prompt is too long"), errors.ContextTooLong),
        (Fault(400, "wrong"), errors.InvalidRequest),
        (Reply(stop="refusal"), errors.Refused),
    ],
)
async def test_what_is_wrong_with_the_request_is_asked_once(
    bench: Bench, fault: Fault | Reply, kind: type[errors.ModelError]
) -> None:
    bench.server.reply(fault)
    with pytest.raises(kind):
        await bench.router().generate(REQUEST, "standard")
    assert len(bench.server.requests) == 1


async def test_failed_attempts_are_paid_for(bench: Bench) -> None:
    broken = Reply(calls=(Call("x", raw="{"),), input_tokens=100, output_tokens=10)
    bench.server.reply(broken, Reply(text="Hello", input_tokens=100, output_tokens=10))
    priced = await bench.router().generate(REQUEST, "standard")
    assert priced.cost_micro_usd == 2 * (300 + 150)
    assert priced.usage == Usage(200, 20)


async def test_an_endless_failure_ends_with_its_cost(bench: Bench) -> None:
    broken = Reply(calls=(Call("x", raw="{"),), input_tokens=100, output_tokens=10)
    bench.server.reply(*[broken] * 6)
    with pytest.raises(errors.MalformedOutput) as caught:
        await bench.router().generate(REQUEST, "standard")
    assert len(bench.server.requests) == 6
    assert caught.value.cost_micro_usd == 3 * 450 + 3 * 14
    assert caught.value.usage == Usage(600, 60)


async def test_no_attempt_passes_the_budget(bench: Bench) -> None:
    router = bench.router()
    broken = Reply(calls=(Call("x", raw="{"),), input_tokens=100, output_tokens=100)
    bench.server.reply(broken, broken)
    reserved = router.reserve(REQUEST, "standard")
    with pytest.raises(errors.MalformedOutput):
        await router.generate(REQUEST, "standard", budget_micro_usd=reserved)
    assert len(bench.server.requests) == 1


async def test_watchers_are_told_to_start_again(bench: Bench) -> None:
    deltas: list[ModelDelta] = []
    bench.server.reply(Reply(text="Hello there, this will break", cut_after=5), Reply(text="Hello"))
    await bench.router().generate(REQUEST, "standard", deltas.append)
    restarts = [position for position, delta in enumerate(deltas) if delta.restart]
    assert len(restarts) == 1
    assert restarts[0] > 0
    assert "".join(delta.text for delta in deltas[restarts[0] :]) == "Hello"


async def test_each_attempt_has_a_time_limit(bench: Bench) -> None:
    bench.server.reply(Reply(text="slow", delay=5.0))
    with pytest.raises(errors.ModelTimeout):
        await bench.router(limits={"timeout": "200ms", "maxRetries": 0}, targets=bench.targets[:1]).generate(
            REQUEST, "standard"
        )


async def test_a_reservation_bounds_the_cost(bench: Bench) -> None:
    request = ModelRequest((Message.user("word " * 1000),), system="s" * 400, max_tokens=500)
    reserved = bench.router().reserve(request, "standard")
    assert 1250 * 3 + 500 * 15 <= reserved < 4 * (1250 * 3 + 500 * 15)


async def test_an_unknown_price_is_an_error_on_a_priced_route(bench: Bench) -> None:
    targets = [{"provider": "anthropic", "model": "unheard-of", "baseUrl": bench.server.anthropic_url}]
    router = bench.router(targets=targets)
    with pytest.raises(errors.UnknownPrice, match="unheard-of") as caught:
        await router.generate(REQUEST, "standard")
    assert caught.value.error_class == "budget"
    with pytest.raises(errors.UnknownPrice):
        router.reserve(REQUEST, "standard")
    assert bench.server.requests == []


async def test_a_route_without_prices_costs_nothing(bench: Bench) -> None:
    bench.server.reply(Reply(text="Hello"))
    router = bench.router(prices=[])
    assert router.reserve(REQUEST, "standard") == 0
    assert (await router.generate(REQUEST, "standard")).cost_micro_usd == 0


async def test_a_playbook_answers_when_no_key_is_set(bench: Bench) -> None:
    bench.providers = default_providers({})
    targets = [{"provider": "anthropic", "model": "big"}, {"provider": "playbook", "playbook": PLAYBOOK}]
    router = bench.router(targets=targets)
    await router.prepare()
    priced = await router.generate(REQUEST, "standard")
    assert (priced.response.provider, priced.response.model) == ("playbook", "playbook/stand-in")
    assert priced.cost_micro_usd == 0
    assert priced.usage.input_tokens > 0
    assert router.reserve(REQUEST, "standard") == 0
    assert router.answers_now("standard") == "playbook/stand-in"


async def test_a_playbook_never_steps_in_for_a_model_that_failed(bench: Bench) -> None:
    bench.server.reply(Fault(401))
    targets = [bench.targets[0], {"provider": "playbook", "playbook": PLAYBOOK}]
    router = bench.router(targets=targets)
    with pytest.raises(errors.AuthenticationFailed):
        await router.generate(REQUEST, "standard")
    assert router.answers_now("standard") == "anthropic/big"


async def test_a_playbook_may_be_an_object(bench: Bench) -> None:
    document = {
        "kind": "Playbook",
        "name": "o",
        "agents": {"clerk": {"rules": [{"name": "r", "say": "Hi."}]}},
    }
    router = bench.router(targets=[{"provider": "playbook", "playbook": document}])
    assert (await router.generate(REQUEST, "standard")).response.message.text == "Hi."


async def test_nothing_configured_says_what_to_set(bench: Bench) -> None:
    bench.providers = Providers({})
    targets = [
        {"provider": "anthropic", "model": "big"},
        {"provider": "openai", "model": "x", "credential": {"env": "MY_KEY"}},
        {"provider": "openai", "model": "y", "credential": {"secret": {"name": "keys", "key": "y"}}},
    ]
    with pytest.raises(errors.NoProvider) as caught:
        await bench.router(targets=targets).generate(REQUEST, "standard")
    assert caught.value.hint == "set one of: ANTHROPIC_API_KEY, MY_KEY, key y of the Secret keys"
    with pytest.raises(errors.NoProvider, match="no tier 'golden'"):
        await bench.router().generate(REQUEST, "golden")


async def test_requests_per_minute_are_spread(bench: Bench) -> None:
    bench.server.reply(*[Reply(text="x")] * 8)
    router = bench.router(limits={"requestsPerMinute": 6})
    for _ in range(7):
        await router.generate(REQUEST, "standard")
    assert bench.time.slept == [10.0]


async def test_a_used_up_limit_is_refused_with_the_time_to_wait(bench: Bench) -> None:
    bench.server.reply(Reply(text="x", input_tokens=5000))
    router = bench.router(limits={"tokensPerMinute": 1000}, targets=bench.targets[:1])
    await router.generate(REQUEST, "standard")
    with pytest.raises(errors.RateLimited) as caught:
        await router.generate(REQUEST, "standard")
    assert caught.value.retry_after is not None
    assert caught.value.retry_after > LONGEST_WAIT
    assert len(bench.server.requests) == 1


async def test_the_route_may_switch_prompt_caching_off(bench: Bench) -> None:
    bench.server.reply(Reply(text="x"))
    await bench.router(cache={"prompt": False}).generate(REQUEST, "standard")
    assert "cache_control" not in str(bench.server.requests[0].body)


async def test_headers_and_secrets_reach_the_provider(bench: Bench) -> None:
    bench.providers = Providers({}, secrets=lambda name, key: f"{name}-{key}")
    credential = {"secret": {"name": "models", "key": "main"}}
    bench.server.reply(Reply(text="x"))
    target = {**bench.targets[1], "credential": credential, "headers": {"x-team": "books"}}
    await bench.router(targets=[target]).generate(REQUEST, "standard")
    headers = bench.server.requests[0].headers
    assert headers["authorization"] == "Bearer models-main"
    assert headers["x-team"] == "books"


async def test_the_smallest_window_counts(bench: Bench) -> None:
    targets = [{**bench.targets[0], "contextTokens": 200_000}, {**bench.targets[1], "contextTokens": 8_000}]
    assert bench.router(targets=targets).context_tokens("standard") == 8_000
    assert bench.router().context_tokens("standard") is None


async def test_calls_are_traced_without_content(bench: Bench) -> None:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    tracing = TracerProvider()
    tracing.add_span_processor(SimpleSpanProcessor(exporter))
    router = bench.router(tracer=tracing.get_tracer("test"))
    bench.server.reply(Fault(401), Reply(text="a secret answer"))
    await router.generate(REQUEST, "standard")
    failed, answered = exporter.get_finished_spans()
    assert failed.name == "chat big"
    assert dict(failed.attributes or {})["error.type"] == "authentication_failed"
    attributes = dict(answered.attributes or {})
    assert attributes["gen_ai.provider.name"] == "openai"
    assert attributes["gen_ai.usage.output_tokens"] == 20
    assert "secret" not in str(attributes)


def test_clients_are_shared_per_credential(bench: Bench) -> None:
    target = Target("anthropic", "a")
    assert bench.providers.find(target) is bench.providers.find(Target("anthropic", "b"))
    assert bench.providers.find(target) is not bench.providers.find(
        Target("anthropic", "a", base_url="http://x")
    )


def test_costs_are_rounded_up_to_a_micro_dollar() -> None:
    price = Price(Decimal("0.1"), Decimal("0.4"))
    assert price.cost(Usage(1, 0)) == 1
    assert price.cost(Usage(10, 5)) == 3
    assert price.cost(Usage(0, 0, 100, 100)) == 20, "a cache without a price costs what input costs"


def test_back_off_doubles_is_bounded_and_has_jitter() -> None:
    error = errors.Overloaded("busy")
    delays = [after_failure(error, attempt, 99, 0.0).delay for attempt in range(1, 9)]
    assert delays[:3] == [0.5, 1.0, 2.0]
    assert delays[-1] == LONGEST_DELAY
    assert after_failure(error, 1, 99, 1.0).delay == 0.25


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (Reply(calls=(Call("find", {}, "x"), Call("find", {}, "x"))), "the same id 'x'"),
        (Reply(calls=(Call("find", raw='{"n": NaN}'),)), "NaN is not JSON"),
        (Reply("half a character: \ud83d"), "no valid JSON or Unicode"),
        (Reply(calls=(Call("find", raw='{"a": ' + "[" * 150 + "]" * 150 + "}"),)), "nested too deep"),
    ],
)
@pytest.mark.parametrize("position", [0, 1])
async def test_answers_that_no_journal_can_hold_are_refused_and_paid_for(
    bench: Bench, reply: Reply, problem: str, position: int
) -> None:
    router = bench.router(targets=[bench.targets[position]], limits={"maxRetries": 1})
    bench.server.reply(reply, reply)
    with pytest.raises(errors.MalformedOutput, match=problem) as caught:
        await router.generate(REQUEST, "standard")
    assert len(bench.server.requests) == 2
    assert caught.value.usage.output_tokens == 40
    bench.server.reply(reply, Reply("Better."))
    assert (await router.generate(REQUEST, "standard")).response.message.text == "Better."
