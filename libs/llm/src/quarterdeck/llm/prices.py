"""What tokens cost. Amounts are whole micro-dollars (1 USD = 1,000,000), rounded up for each call.

A price of `p` USD for a million tokens is `p` micro-dollars for one token, so no conversion is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from quarterdeck.llm.constants import PLAYBOOK
from quarterdeck.llm.errors import UnknownPrice
from quarterdeck.llm.types import JsonValue, ModelRequest, Usage

BYTES_PER_TOKEN = 2
"""A token hardly ever stands for fewer bytes of UTF-8; the bound of a reservation counts on it."""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens of one model. A cache price of 0 means: as `input`."""

    input: Decimal
    output: Decimal
    cache_read: Decimal = Decimal(0)
    cache_write: Decimal = Decimal(0)

    @classmethod
    def from_json(cls, data: Mapping[str, JsonValue]) -> Price:
        """Read an entry of a route's `prices`."""
        names = (
            "inputPerMillionUsd",
            "outputPerMillionUsd",
            "cacheReadPerMillionUsd",
            "cacheWritePerMillionUsd",
        )
        return cls(*(Decimal(str(data.get(name) or 0)) for name in names))

    def cost(self, usage: Usage) -> int:
        """Micro-dollars for so many tokens."""
        exact = (
            usage.input_tokens * self.input
            + usage.output_tokens * self.output
            + usage.cache_read_tokens * (self.cache_read or self.input)
            + usage.cache_write_tokens * (self.cache_write or self.input)
        )
        return int(exact.to_integral_value(ROUND_CEILING))

    def bound(self, request: ModelRequest) -> int:
        """The most that one attempt can cost: all input at the dearest rate, and the longest answer."""
        dearest = max(self.input, self.cache_read, self.cache_write)
        exact = most_input_tokens(request) * dearest + request.max_tokens * self.output
        return int(exact.to_integral_value(ROUND_CEILING))


FREE = Price(Decimal(0), Decimal(0))


def find_price(prices: Mapping[str, Price], provider: str, model: str) -> Price:
    """The price of a model. A playbook is free, and so is everything on a route without prices.

    Raises `UnknownPrice` when the route has prices and none for this model: a budget could not be kept.
    """
    if provider == PLAYBOOK or not prices:
        return FREE
    if model not in prices:
        raise UnknownPrice(
            f"the route has no price for the model {model!r}",
            provider=provider,
            hint="add it to spec.prices of the ModelRoute, or remove all prices to count no cost",
        )
    return prices[model]


def most_input_tokens(request: ModelRequest) -> int:
    """The most input tokens that a request can have."""
    parts = [request.system, *(str(tool.to_json()) for tool in request.tools)]
    parts += [str(message.to_json()) for message in request.messages]
    if request.output_schema is not None:
        parts.append(str(dict(request.output_schema)))
    return sum(-(-len(part.encode(errors="replace")) // BYTES_PER_TOKEN) for part in parts)
