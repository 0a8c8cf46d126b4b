"""The router: a tier's targets in order, retries, the route's limits, and what it all costs."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from quarterdeck.llm.answers import check_answer
from quarterdeck.llm.audience import Audience
from quarterdeck.llm.errors import ModelError, ModelTimeout, NoProvider
from quarterdeck.llm.prices import Price, find_price
from quarterdeck.llm.providers import USUAL_ENV, ProviderSource
from quarterdeck.llm.rate import RateLimit
from quarterdeck.llm.retry import Step, after_failure
from quarterdeck.llm.route import RouteSpec, Target
from quarterdeck.llm.spans import model_call, record
from quarterdeck.llm.tokens import estimate_request
from quarterdeck.llm.types import ModelRequest, ModelResponse, OnDelta, Provider, Usage

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer


TIMEOUT_GRACE = 1.0
"""A provider ends a call in time by itself and then knows its cost; so many seconds later the router does."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at one target. `error` is a code of `errors`, empty when it succeeded."""

    provider: str
    model: str
    seconds: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class Priced:
    """An answer and what it took. Cost and usage include failed attempts, as far as these were counted."""

    response: ModelResponse
    cost_micro_usd: int
    usage: Usage
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True)
class _Candidate:
    """A target that is configured here. `model` is the name to ask for."""

    provider: Provider
    target: Target
    price: Price

    @property
    def model(self) -> str:
        named: str = getattr(self.provider, "model", "")
        return self.target.model or named


@dataclass
class _Call:
    """One request on its way, and what it has taken so far."""

    request: ModelRequest
    audience: Audience
    budget: int | None
    cost: int = 0
    usage: Usage = field(default_factory=Usage)
    attempts: list[Attempt] = field(default_factory=list)
    failed: ModelError | None = None
    over: bool = False

    def affords(self, price: Price) -> bool:
        """Whether a further attempt stays within the budget; the first one was reserved by the caller."""
        if self.failed is None or self.budget is None:
            return True
        return self.cost + price.bound(self.request) <= self.budget

    def add(self, candidate: _Candidate, usage: Usage, seconds: float, error: str = "") -> None:
        """Count one attempt."""
        self.cost += candidate.price.cost(usage)
        self.usage += usage
        self.attempts.append(Attempt(candidate.provider.name, candidate.model, seconds, error))

    def failure(self) -> ModelError:
        """The last error, with what all attempts cost."""
        if self.failed is None:
            raise AssertionError("a tier always has a candidate, and it either answered or failed")
        self.failed.cost_micro_usd, self.failed.usage = self.cost, self.usage
        return self.failed


class Router:
    """Answers requests by one route. It keeps the route's limits, so make one per route and keep it.

    A target without a credential is passed over. A playbook answers only when a tier has nothing else that is
    configured: it never steps in for a model that failed. When an attempt fails after a part of its answer
    was shown, the next one begins with `ModelDelta(restart=True)`.
    """

    def __init__(
        self,
        spec: RouteSpec,
        providers: ProviderSource,
        *,
        tracer: Tracer | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.spec = spec
        self._providers = providers
        self._tracer = tracer
        self._clock = clock
        self._sleep = sleep
        self._chance = chance
        self._rate = RateLimit(spec.limits, clock())

    def reserve(self, request: ModelRequest, tier: str) -> int:
        """The most micro-dollars that one attempt can cost at the dearest target that is configured.

        Raises `NoProvider` and `UnknownPrice`.
        """
        return max(candidate.price.bound(request) for candidate in self._candidates(tier))

    def context_tokens(self, tier: str) -> int | None:
        """The smallest context window that the tier's targets name, None when none does."""
        known = [candidate.target.context_tokens for candidate in self._candidates(tier)]
        return min((tokens for tokens in known if tokens is not None), default=None)

    def answers_now(self, tier: str) -> str:
        """`provider/model` of the first target that is configured, for people to see."""
        first = self._candidates(tier)[0]
        return first.model if first.target.is_playbook else f"{first.provider.name}/{first.model}"

    async def prepare(self) -> None:
        """Load what answering needs, such as playbooks, in a thread. Optional; it spares the event loop."""
        targets = {target for tier in self.spec.tiers.values() for target in tier}
        await asyncio.to_thread(lambda: [self._providers.find(target) for target in targets])

    async def generate(
        self,
        request: ModelRequest,
        tier: str,
        on_delta: OnDelta | None = None,
        *,
        budget_micro_usd: int | None = None,
    ) -> Priced:
        """Answer by the first target that can.

        `budget_micro_usd` is what was reserved; when a further attempt might pass it, none is made. The error
        raised is the last one, with `cost_micro_usd` and `usage` of all attempts.
        """
        call = _Call(request, Audience(on_delta), budget_micro_usd)
        for candidate in self._candidates(tier):
            response = await self._try(candidate, call)
            if response is not None:
                return Priced(response, call.cost, call.usage, tuple(call.attempts))
            if call.over:
                break
        raise call.failure()

    async def _try(self, candidate: _Candidate, call: _Call) -> ModelResponse | None:
        """Ask one target, again where that may help; None when it is of no use."""
        step, attempt = Step("again"), 0
        while step.what == "again" and call.affords(candidate.price):
            attempt += 1
            await self._sleep(step.delay)
            try:
                return await self._attempt(candidate, call)
            except ModelError as error:
                call.failed = error
                call.audience.failed()
                step = after_failure(error, attempt, self.spec.limits.max_retries, self._chance())
        call.over = step.what != "next"
        return None

    async def _attempt(self, candidate: _Candidate, call: _Call) -> ModelResponse:
        request = replace(
            call.request,
            model=candidate.model,
            cache_prompt=self.spec.cache_prompt,
            timeout=self.spec.limits.timeout,
        )
        booked = estimate_request(request)
        await self._sleep(self._rate.take(booked, self._clock()))
        began = self._clock()
        try:
            response = await self._ask(candidate.provider, request, call.audience)
        except ModelError as error:
            call.add(candidate, error.usage, self._clock() - began, error.code)
            raise
        self._rate.settle(response.usage.total - booked)
        call.add(candidate, response.usage, self._clock() - began)
        return response

    async def _ask(self, provider: Provider, request: ModelRequest, audience: Audience) -> ModelResponse:
        limit = self.spec.limits.timeout
        with model_call(self._tracer, provider.name, request) as span:
            try:
                async with asyncio.timeout(limit + TIMEOUT_GRACE):
                    response = check_answer(await provider.generate(request, audience.delta))
            except TimeoutError as problem:
                raise ModelTimeout(f"no answer within {limit:g} s", provider=provider.name) from problem
            record(span, response)
        return response

    def _candidates(self, tier: str) -> list[_Candidate]:
        """The tier's configured targets in order; playbooks only when there is nothing else."""
        targets = self.spec.tiers.get(tier)
        if targets is None:
            known = ", ".join(self.spec.tiers)
            raise NoProvider(f"route {self.spec.name!r} has no tier {tier!r}", hint=f"it has {known}")
        found = [
            _Candidate(provider, target, find_price(self.spec.prices, target.provider, target.model))
            for target in targets
            if (provider := self._providers.find(target)) is not None
        ]
        chosen = [candidate for candidate in found if not candidate.target.is_playbook] or found
        if not chosen:
            raise NoProvider(
                f"no provider of the tier {tier!r} of route {self.spec.name!r} is configured here",
                hint=f"set one of: {', '.join(dict.fromkeys(_key_place(target) for target in targets))}",
            )
        return chosen


def _key_place(target: Target) -> str:
    """Where the key of a target is looked for, for people."""
    credential = target.credential
    if credential is not None and credential.secret_name:
        return f"key {credential.secret_key} of the Secret {credential.secret_name}"
    name = credential.env if credential is not None else ""
    return name or USUAL_ENV.get(target.provider, f"a playbook for {target.provider}")
