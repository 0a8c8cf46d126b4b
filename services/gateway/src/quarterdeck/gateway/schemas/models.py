"""Models behind routes."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from quarterdeck.gateway.schemas.base import Answer, Page, Request, example


class GenerateModel(Request):
    """One model turn, outside a run."""

    model_config = example(
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Say hello."}]}], "maxTokens": 64}
    )

    tier: str = ""
    system: str | None = None
    messages: list[dict[str, Any]] = Field(min_length=1)
    tools: list[dict[str, Any]] | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    output_schema: dict[str, Any] | None = None


class ModelTier(Answer):
    """A tier of a route and the provider it would take now."""

    route: str
    tier: str
    provider: str | None
    model: str | None
    problem: str | None = Field(description="Why it cannot be used now; null when it can.")


class ModelTierPage(Page[ModelTier]):
    """Every tier of every route."""
