"""Embeddings by OpenAI's API, or one that speaks like it (`OPENAI_BASE_URL`)."""

from __future__ import annotations

import os
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from quarterdeck.common.errors import FailedPrecondition, QuarterdeckError, ResourceExhausted, Unavailable
from quarterdeck.common.outbound.policy import Outbound
from quarterdeck.memory.constants import DEFAULT_DIMENSION, OPENAI_MODEL

NAME = "openai"
KEY_VARIABLE = "OPENAI_API_KEY"
# Inputs in one request; the API takes 2048 and at most 300,000 tokens.
BATCH = 128
BATCH_CHARACTERS = 400_000
TIMEOUT_SECONDS = 30.0
RETRIES = 3


@dataclass(frozen=True, slots=True)
class Access:
    """How the API is reached: the variable with the key, and an address other than the usual one.

    Where users' `base_url` may lead to is for `outbound` to say; None: anywhere.
    """

    key_variable: str = KEY_VARIABLE
    base_url: str = ""
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    outbound: Outbound | None = None

    @property
    def key(self) -> str:
        """The key; empty if there is none."""
        return self.environment.get(self.key_variable, "")


class OpenAIEmbedder:
    """See `EmbeddingProvider`. The SDK is imported with the first text."""

    name = NAME
    cacheable = True

    def __init__(
        self, model: str = OPENAI_MODEL, dimension: int = DEFAULT_DIMENSION, access: Access | None = None
    ) -> None:
        self.model = model
        self.dimension = dimension
        self._access = access or Access()
        self._client: Any = None

    async def embed(self, texts: Sequence[str]) -> list[array[float]]:
        """See `EmbeddingProvider.embed`."""
        vectors: list[array[float]] = []
        for batch in batches(texts):
            vectors += await self._embed(batch)
        return vectors

    def check(self) -> None:
        """See `EmbeddingProvider.check`."""
        if not self._access.key:
            raise FailedPrecondition(
                f"the environment variable {self._access.key_variable} is not set",
                field="spec.embedding.credential",
                hint=f"set {self._access.key_variable}, or use the provider 'lexical', which needs no key",
                reason="CredentialMissing",
            )

    async def _embed(self, batch: Sequence[str]) -> list[array[float]]:
        client = self._connected()
        import openai

        try:
            response = await client.embeddings.create(
                model=self.model, input=list(batch), dimensions=self.dimension, encoding_format="float"
            )
        except openai.OpenAIError as error:
            raise _translated(error, self.model) from error
        rows = sorted(response.data, key=lambda row: row.index)
        return [self._checked(array("f", row.embedding)) for row in rows]

    def _checked(self, vector: array[float]) -> array[float]:
        if len(vector) != self.dimension:
            raise FailedPrecondition(
                f"model {self.model} returned vectors of size {len(vector)}, not {self.dimension}",
                field="spec.vector.size",
                reason="DimensionMismatch",
            )
        return vector

    def _connected(self) -> Any:
        self.check()
        if self._client is None:
            from openai import AsyncOpenAI

            self._client = AsyncOpenAI(
                api_key=self._access.key,
                base_url=self._access.base_url or self._access.environment.get("OPENAI_BASE_URL") or None,
                timeout=TIMEOUT_SECONDS,
                max_retries=RETRIES,
                http_client=_http_client(self._access),
            )
        return self._client


def _http_client(access: Access) -> Any:
    """Returns the client for an address that users name; None where the SDK makes its own."""
    if not access.base_url or access.outbound is None:
        return None
    import httpx2

    from quarterdeck.common.outbound.http_transport import GuardedTransport

    transport = GuardedTransport(access.outbound)
    return httpx2.AsyncClient(transport=transport, timeout=TIMEOUT_SECONDS, follow_redirects=True)


def batches(texts: Sequence[str]) -> list[list[str]]:
    """Cuts texts into requests that the API accepts."""
    result: list[list[str]] = []
    characters = 0
    for text in texts:
        if not result or len(result[-1]) >= BATCH or characters + len(text) > BATCH_CHARACTERS:
            result.append([])
            characters = 0
        result[-1].append(text)
        characters += len(text)
    return result


def _translated(error: Exception, model: str) -> QuarterdeckError:
    import openai

    if isinstance(error, openai.RateLimitError):
        return ResourceExhausted(f"the embedding model {model} is over its rate limit", reason="RateLimited")
    if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
        return FailedPrecondition(
            f"the embedding model {model} refused the API key", reason="CredentialRefused"
        )
    if isinstance(error, openai.BadRequestError | openai.NotFoundError):
        return FailedPrecondition(
            f"the embedding model {model} refused the request: {error}", field="spec.embedding.model"
        )
    return Unavailable(f"the embedding model {model} does not answer: {error}", reason="EmbeddingUnavailable")
