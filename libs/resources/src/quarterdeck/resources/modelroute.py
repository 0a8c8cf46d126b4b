"""Kind `ModelRoute`: which models answer, in what order, at what price."""

from typing import Annotated, Literal

from pydantic import Field

from quarterdeck.resources.metadata import Resource, Status
from quarterdeck.resources.model import Model
from quarterdeck.resources.rules import Rule, Unique
from quarterdeck.resources.scalars import Duration, Json, Name, NonEmpty, StringMap, Text, Url
from quarterdeck.resources.secret_sources import SecretSource

Price = Annotated[float, Field(ge=0, le=1_000_000)]


class Provider(Model):
    """One model at one provider."""

    RULES = (
        Rule(
            "every provider but playbook needs model",
            "self.provider == 'playbook' || has(self.model)",
            lambda provider: provider.provider == "playbook" or provider.model is not None,
            field="model",
        ),
    )

    provider: Literal["anthropic", "openai", "playbook"] = Field(
        description="Anthropic Messages, OpenAI Chat Completions (or compatible), or a playbook."
    )
    model: NonEmpty | None = Field(None, description="The model's name at the provider.")
    credential: SecretSource | None = Field(
        None, description="The API key; without a value it is passed over."
    )
    base_url: Url | None = Field(None, description="Address of a compatible server.")
    headers: StringMap = Field(default={}, description="Further headers of every request.")
    playbook: Json = Field(
        None, description="Path of a playbook file, relative to the manifest, or its content."
    )
    context_tokens: int | None = Field(
        None, ge=1_000, le=100_000_000, description="The model's context window; absent: what is known of it."
    )


class Tier(Model):
    """Providers of one quality, tried in order."""

    name: Name = Field(description="What agents ask for.")
    providers: list[Provider] = Field(min_length=1, max_length=8, description="The first that can answers.")


class RouteLimits(Model):
    """Bounds of the whole route."""

    requests_per_minute: int | None = Field(None, ge=1, le=10_000_000, description="Most requests.")
    tokens_per_minute: int | None = Field(None, ge=1, le=10_000_000_000, description="Most tokens.")
    timeout: Duration = Field("2m", description="Longest wait for an answer.")
    max_retries: int = Field(2, ge=0, le=20, description="Further attempts at one provider.")


class RouteCache(Model):
    """What is kept to save money."""

    prompt: bool = Field(True, description="Let the provider cache the prompt's prefix.")
    responses: bool = Field(False, description="Answer the same request with the same response.")


class ModelPrice(Model):
    """Prices of one model, in US dollars per million tokens."""

    model: NonEmpty = Field(description="The model's name at the provider.")
    input_per_million_usd: Price = Field(description="Tokens in.")
    output_per_million_usd: Price = Field(description="Tokens out.")
    cache_read_per_million_usd: Price = Field(0.0, description="Tokens read from the prompt cache.")
    cache_write_per_million_usd: Price = Field(0.0, description="Tokens written to the prompt cache.")


class ModelRouteSpec(Model):
    """Tiers of providers, limits, cache and prices."""

    description: Text = Field("", description="What the route is for.")
    tiers: Annotated[list[Tier], Field(min_length=1, max_length=16), Unique("name")] = Field(
        description="What agents can ask for."
    )
    limits: RouteLimits = Field(RouteLimits(), description="Bounds of the whole route.")
    cache: RouteCache = Field(RouteCache(), description="What is kept.")
    prices: Annotated[list[ModelPrice], Field(max_length=256), Unique("model")] = Field(
        default=[], description="Prices; a model without one costs what is known of it."
    )


class ModelRouteStatus(Status):
    """What the platform found about a route."""

    active: StringMap = Field(
        default={}, description="For each tier, the provider and model that answers now."
    )


class ModelRoute(Resource):
    """Model tiers with providers in fall-back order, limits, cache, prices."""

    kind: Literal["ModelRoute"] = Field("ModelRoute", description="ModelRoute.")
    spec: ModelRouteSpec = Field(description="What the route is.")
    status: ModelRouteStatus | None = Field(None, description="What the platform found.")
