"""A `ModelRoute` as the router needs it: tiers of targets, limits, prices."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from quarterdeck.llm.constants import PLAYBOOK
from quarterdeck.llm.prices import Price
from quarterdeck.llm.types import JsonValue
from quarterdeck.resources.durations import duration_seconds


@dataclass(frozen=True, slots=True)
class Credential:
    """Where a key comes from: an environment variable, or a key of a Secret. Neither: nowhere."""

    env: str = ""
    secret_name: str = ""
    secret_key: str = ""

    @classmethod
    def from_json(cls, data: Mapping[str, JsonValue]) -> Self:
        """Read `{"env": …}` or `{"secret": {"name": …, "key": …}}`."""
        secret = data.get("secret") or {}
        return cls(data.get("env") or "", secret.get("name", ""), secret.get("key", ""))


@dataclass(frozen=True, slots=True)
class Target:
    """One model at one provider. `playbook` is the content of a document, `headers` are sent as they are."""

    provider: str
    model: str = ""
    credential: Credential | None = None
    base_url: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    playbook: str = ""
    context_tokens: int | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, JsonValue]) -> Self:
        """Read an entry of a tier's `providers`. A playbook may be given as text or as an object."""
        playbook = data.get("playbook") or ""
        credential = data.get("credential")
        return cls(
            provider=data["provider"],
            model=data.get("model") or "",
            credential=Credential.from_json(credential) if credential else None,
            base_url=data.get("baseUrl"),
            headers=tuple(sorted((data.get("headers") or {}).items())),
            playbook=playbook if isinstance(playbook, str) else json.dumps(playbook, sort_keys=False),
            context_tokens=data.get("contextTokens"),
        )

    @property
    def is_playbook(self) -> bool:
        """Whether rules answer instead of a model."""
        return self.provider == PLAYBOOK


@dataclass(frozen=True, slots=True)
class RouteLimits:
    """Bounds of a route in this process. `timeout` is in seconds and bounds each attempt."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    timeout: float = 120.0
    max_retries: int = 2

    @classmethod
    def from_json(cls, data: Mapping[str, JsonValue]) -> Self:
        """Read a route's `limits`; raises `ValueError` for a timeout that is no duration."""
        retries = data.get("maxRetries")
        return cls(
            data.get("requestsPerMinute"),
            data.get("tokensPerMinute"),
            duration_seconds(data["timeout"]) if data.get("timeout") else cls().timeout,
            cls().max_retries if retries is None else retries,
        )


@dataclass(frozen=True, slots=True)
class RouteSpec:
    """A whole route. `name` is for messages; `prices` is by model name."""

    name: str
    tiers: Mapping[str, tuple[Target, ...]]
    limits: RouteLimits = field(default_factory=RouteLimits)
    prices: Mapping[str, Price] = field(default_factory=dict)
    cache_prompt: bool = True

    @classmethod
    def from_json(cls, name: str, spec: Mapping[str, JsonValue]) -> Self:
        """Read the spec of an accepted `ModelRoute`, in the form the registry serves it (camelCase)."""
        cache = (spec.get("cache") or {}).get("prompt")
        return cls(
            name=name,
            tiers={
                tier["name"]: tuple(Target.from_json(provider) for provider in tier["providers"])
                for tier in spec["tiers"]
            },
            limits=RouteLimits.from_json(spec.get("limits") or {}),
            prices={price["model"]: Price.from_json(price) for price in spec.get("prices") or ()},
            cache_prompt=True if cache is None else cache,
        )
