"""Budgets through the real engine: slices of children, what a turn reserves, and who is refused."""

import asyncio

import pytest

from quarterdeck.common.artifacts import DirectoryArtifacts
from quarterdeck.common.clock import SystemClock
from quarterdeck.llm.types import Message, ModelResponse, Text, Usage
from quarterdeck.runtime.effects.models import ModelPerformer
from quarterdeck.runtime.streaming.live import LiveEvents
from quarterdeck.runtime.testing.harness import Harness
from quarterdeck.runtime.testing.scripted_models import FixedRoutes, OneProvider
from quarterdeck.runtime.testing.stubs import LocalModels
from quarterdeck.runtime.testing.transcripts import say


def agent_node(name, **more):
    return {"name": name, "agent": {"name": "a", "input": {"n": name}}, **more}


def workflow(*nodes, **budget):
    return {"Workflow/w": {"nodes": list(nodes), "budget": budget}, "Agent/a": {"instructions": "x"}}


async def journals(h, run):
    return [event for one in await h.tree(run) for event in await h.journal(one)]


async def test_branches_share_what_there_is_and_never_pass_it(tmp_path):
    both = {"name": "p", "parallel": {"branches": [agent_node("x"), agent_node("y")]}}

    async def model(facts, state):
        return say("done")

    specs = workflow(both, costUsd=0.0002)
    async with Harness(tmp_path, specs=specs, performers={"model": LocalModels(model, cost=100)}) as h:
        run = await h.start("Workflow", "w", {})
        assert await h.output(run) == {"x": "done", "y": "done"}
        assert (await h.row(run)).cost == 200
        started = [e.data["reserve"] for e in await h.journal(run) if e.type == "children.started"]
        assert started == [{"cost": 100}, {"cost": 100}]
        intents = [e.data for e in await journals(h, run) if e.type == "effect.intent"]
        assert [(data["reserve"], data["reserve_tokens"]) for data in intents] == [(100, 10)] * 2


async def test_retried_branches_cannot_pass_the_sum(tmp_path):
    retry = [{"errors": ["*"], "attempts": 5, "delay": "1ms"}]
    both = {"branches": [agent_node("x", retry=retry), agent_node("y", retry=retry)]}
    turns = []

    async def dear_and_useless(facts, state):
        turns.append(facts.run_id)
        return {
            "role": "assistant",
            "content": [{"type": "toolUse", "id": "u", "name": "no", "arguments": {}}],
        }

    specs = workflow({"name": "p", "parallel": both}, costUsd=0.0005)
    performers = {"model": LocalModels(dear_and_useless, cost=100)}
    async with Harness(tmp_path, specs=specs, performers=performers) as h:
        run = await h.start("Workflow", "w", {})
        error = await h.error(run)
        assert error["class"] == "budget" and "are left" in error["message"]
        assert 2 <= len(turns) <= 5 and (await h.row(run)).cost == 100 * len(turns)


async def test_a_child_gets_no_more_than_its_own_limit_and_leaves_the_rest(tmp_path):
    specs = workflow(agent_node("one", next="two"), agent_node("two"), costUsd=0.001)
    specs["Agent/a"]["limits"] = {"costUsd": 0.0003}

    async def model(facts, state):
        return say("done")

    async with Harness(tmp_path, specs=specs, performers={"model": LocalModels(model, cost=100)}) as h:
        run = await h.start("Workflow", "w", {})
        await h.output(run)
        started = [e.data["reserve"] for e in await h.journal(run) if e.type == "children.started"]
        assert started == [{"cost": 300}, {"cost": 300}]


async def test_pages_of_a_map_stay_within_the_budget(tmp_path):
    busy = []

    async def model(facts, state):
        busy.append(1)
        await asyncio.sleep(0.001)
        return say("done")

    body = {"items": "${input}", "agent": "a", "maxConcurrency": 4, "tolerateFailures": 20}
    specs = workflow({"name": "m", "map": body}, costUsd=0.001)
    async with Harness(tmp_path, specs=specs, performers={"model": LocalModels(model, cost=100)}) as h:
        run = await h.start("Workflow", "w", list(range(20)))
        output = await h.output(run)
        assert (await h.row(run)).cost <= 1000
        assert output.count("done") == len(busy) >= 7 and None in output


class Dear:
    """A provider that bills what was estimated at most, and remembers its requests."""

    name = model = "script"

    def __init__(self, usage=None):
        self.requests = []
        self._usage = usage or Usage(10, 5)

    async def generate(self, request, on_delta=None):
        self.requests.append(request)
        summary = request.metadata.purpose == "summary"
        text = "in short" if summary else "x" * 50
        return ModelResponse(Message("assistant", (Text(text),)), "end_turn", self._usage, "script", "script")

    async def aclose(self):
        """Nothing to close."""


ROUTE = {
    "tiers": [{"name": "standard", "providers": [{"provider": "openai", "model": "script"}]}],
    "prices": [{"model": "script", "inputPerMillionUsd": 1, "outputPerMillionUsd": 10}],
}


def real_models(tmp_path, provider):
    routes = FixedRoutes({"default": ROUTE}, OneProvider(provider), SystemClock())
    return ModelPerformer(routes, DirectoryArtifacts(tmp_path / "artifacts"), LiveEvents(), SystemClock())


def priced_agent(tmp_path, provider, **spec):
    spec = {"instructions": "x", "model": {"maxTokens": 100}, **spec}
    return Harness(tmp_path, specs={"Agent/a": spec}, performers={"model": real_models(tmp_path, provider)})


async def test_a_turn_reserves_its_longest_answer_and_its_input(tmp_path):
    provider = Dear()
    async with priced_agent(tmp_path, provider, limits={"costUsd": 1}) as h:
        run = await h.start("Agent", "a", "hello")
        await h.output(run)
        (intent,) = [e.data for e in await h.journal(run) if e.type == "effect.intent"]
        assert intent["reserve"] > 100 * 10  # the answer alone
        assert 100 < intent["reserve_tokens"] < 200
        assert (await h.row(run)).cost == 60


@pytest.mark.parametrize("limits", [{"costUsd": 0.0005}, {"tokens": 90}])
async def test_a_turn_that_may_pass_the_limit_is_not_sent(tmp_path, limits):
    provider = Dear()
    async with priced_agent(tmp_path, provider, limits=limits) as h:
        run = await h.start("Agent", "a", "hello")
        error = await h.error(run)
        assert error["class"] == "budget" and error["hint"] and "this turn may" in error["message"]
        assert not provider.requests
        assert "effect.intent" not in [event.type for event in await h.journal(run)]


async def test_the_summary_of_a_long_transcript_is_reserved_too(tmp_path):
    provider = Dear()
    context = {"context": {"maxTokens": 300, "keepTurns": 1}}
    async with priced_agent(tmp_path, provider, limits={"costUsd": 1}, **context) as h:
        reserves = []
        for number in range(3):
            run = await h.start("Agent", "a", {"message": "q" * 600 + str(number)}, session="s")
            await h.output(run)
            (intent,) = [e.data for e in await h.journal(run) if e.type == "effect.intent"]
            reserves.append(intent["reserve"])
        purposes = [request.metadata.purpose for request in provider.requests]
        assert purposes.count("summary") == 1
        assert (await h.row(run)).cost == 120
        # Two answers of 100 tokens at 10 micro-dollars, where the first turn needs one.
        assert reserves[0] < 2000 < reserves[-1]


async def test_a_summary_that_does_not_fit_the_budget_is_not_asked_for(tmp_path):
    provider = Dear()
    context = {"context": {"maxTokens": 300, "keepTurns": 1}}
    async with priced_agent(tmp_path, provider, limits={"costUsd": 0.003}, **context) as h:
        for _ in range(2):
            await h.output(await h.start("Agent", "a", {"message": "q" * 600}, session="s"))
        error = await h.error(await h.start("Agent", "a", {"message": "q" * 600}, session="s"))
        assert error["class"] == "budget"
        assert len(provider.requests) == 2
